"""Give the module testbed_chaos its agent, see that the target profile allows chaos, and keep the audit log complete.

The agent is zipped here from runners.faults: there is one watchdog in this project, not one for Ansible.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import socket
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Arguments are those of the module, without `agent`, `agent_name` and `asked_by`."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        try:
            from runners.faults import bundle
        except ImportError:
            raise AnsibleActionFail(
                "the testbed is not installed where Ansible runs: there is no agent to copy"
            ) from None
        arguments = dict(self._task.args)
        if arguments.get("action") == "inject":
            kind = "container" if "engine" in task_vars.get("group_names", ()) else "process"
            _allowed(Path(self._templar.template(task_vars["inventory_dir"])) / "target.yml", kind)
        name, content = bundle.agent()
        arguments |= {
            "agent_name": name, "agent": base64.b64encode(content).decode(),
            "asked_by": f"{getpass.getuser()}@{socket.gethostname()}",
        }  # fmt: skip
        result.update(self._execute_module(module_name="testbed_chaos", module_args=arguments, task_vars=task_vars))
        entries = result.pop("audit", None) or []
        result.pop("invocation", None)
        copy = task_vars.get("testbed_copy")
        if copy and self._play_context.connection != "local" and not self._task.check_mode:
            _remember(Path(self._templar.template(copy)), entries, str(task_vars["inventory_hostname"]))
        return result


def _allowed(profile, kind):
    """Raises AnsibleActionFail when the target profile says production, or does not allow chaos of this kind."""
    target = {}
    while profile.is_file():
        document = yaml.safe_load(profile.read_text(encoding="utf-8")) or {}
        target = {**(document.get("target") or {}), **target}
        if not document.get("extends"):
            break
        profile = profile.parent / str(document["extends"])
    else:
        raise AnsibleActionFail(f"{profile}: no such file; it must say whether this target may be broken on purpose")
    if target.get("production"):
        raise AnsibleActionFail(f"target {target.get('name')} is in production: chaos is refused ({profile})")
    if kind not in ((target.get("allow") or {}).get("chaos") or ()):
        raise AnsibleActionFail(
            f"target {target.get('name')} does not allow chaos of kind {kind}: see target.allow in {profile}"
        )


def _remember(environment, entries, host):
    """Append what the host's audit log has and this one has not: `testbed chaos audit` reads this one."""
    path = environment.parent.parent / "chaos" / "audit.jsonl"
    lines = [json.dumps(entry | {"host": host}, ensure_ascii=False) for entry in entries]
    known = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    new = [line for line in lines if line not in known]
    if new:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in new))
