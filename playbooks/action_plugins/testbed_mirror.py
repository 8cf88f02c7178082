"""Keep the controller's copy of what the host knows of its environment, and of how the host is reached.

`testbed status`, `verify` and every run read the copy; where the host is this machine there is nothing to copy.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """`environment`: the folder on the host; `copy`: the one here; `target_file`: here; `secrets`: only those, else the state."""

    _VALID_ARGS = frozenset(("environment", "copy", "target_file", "secrets"))

    def run(self, tmp=None, task_vars=None):
        from runners.environment.remote import mirror
        from runners.lib.files import read_json
        from runners.lib.home import Environment

        result = super().run(tmp, task_vars)
        given = self._task.args
        if self._play_context.connection == "local" or given["copy"] == given["environment"]:
            return {**result, "changed": False, "skipped": True}
        secrets = boolean(given.get("secrets", False))
        arguments = {"environment": given["environment"], "secrets": secrets}
        hidden, self._play_context.no_log = self._play_context.no_log, secrets or self._play_context.no_log
        try:
            found = self._execute_module(module_name="testbed_state", module_args=arguments, task_vars=task_vars)
        finally:
            self._play_context.no_log = hidden
        if found.get("failed") or self._task.check_mode:
            found.pop("secrets", None)
            return {**result, **found}
        copy = Environment(Path(given["copy"]))
        if secrets:
            changed = bool(mirror.keep_secrets(copy, found["secrets"]))
        else:
            changed = mirror.keep_state(
                copy, found["state"], found["failure"], inventory=str(task_vars["inventory_dir"]),
                target_file=str(given.get("target_file") or (read_json(copy.state) or {}).get("target_file") or ""), remote=self._reach(task_vars),
            )  # fmt: skip
        # A copy that had to be mended is no change of the environment.
        return {**result, "changed": False, "mended": changed}

    def _reach(self, task_vars):
        """How this host was reached just now, in ssh's own words; nothing secret."""
        facts = {
            "host": str(task_vars["inventory_hostname"]), "environment": self._task.args["environment"],
            "python": str(self._templar.template(task_vars.get("ansible_python_interpreter", "python3"))), "ssh": [],
        }  # fmt: skip
        if self._play_context.connection not in ("ssh", "ansible.builtin.ssh", "smart"):
            return facts
        option = self._connection.get_option
        words = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={min(int(option('timeout') or 5), 10)}"]
        if not option("host_key_checking"):
            words += ["-o", "StrictHostKeyChecking=no"]
        for name in ("ssh_common_args", "ssh_extra_args"):
            words += shlex.split(option(name) or "")
        if option("port"):
            words += ["-p", str(option("port"))]
        if option("private_key_file"):
            words += ["-i", str(option("private_key_file"))]
        if option("remote_user"):
            words += ["-l", str(option("remote_user"))]
        words.append(str(option("host")))
        if self._play_context.become:
            words += ["sudo", "-n", "-u", self._play_context.become_user or "root"]
        return facts | {"ssh": words}
