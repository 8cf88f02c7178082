"""Render several templates of a role in one task, inside the controller: no module runs on the host.

A loop over ansible.builtin.template costs two module executions a file, more than a CPU second; this costs
milliseconds. It writes to the controller's own file system and therefore refuses any connection but `local`.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


class ActionModule(ActionBase):
    """`files`: list of {src, dest, mode, owner, secret}; `state`: present (default) or absent."""

    _requires_connection = False
    _VALID_ARGS = frozenset(("files", "state"))

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if self._play_context.connection != "local":
            raise AnsibleActionFail("testbed_render writes on the controller: the connection must be local")
        changed, diffs = [], []
        for item in self._task.args["files"]:
            dest = Path(item["dest"])
            if self._task.args.get("state", "present") == "absent":
                if dest.exists():
                    changed.append(str(dest))
                    if not self._task.check_mode:
                        dest.unlink()
                continue
            text = self._render(item["src"], task_vars)
            mode = int(str(item.get("mode", "0600")), 8)
            before = dest.read_text() if dest.exists() else None
            if before == text and dest.stat().st_mode & 0o777 == mode:
                continue
            changed.append(str(dest))
            if not item.get("secret", False):
                diffs.append(
                    {"before": before or "", "after": text, "before_header": str(dest), "after_header": str(dest)}
                )
            if not self._task.check_mode:
                _write(dest, text, mode, item.get("owner"))
        result.update(changed=bool(changed), files=changed)
        if self._task.diff and diffs:
            result["diff"] = diffs
        return result

    def _render(self, name, task_vars):
        try:
            source = self._find_needle("templates", name)
            template = trust_as_template(self._loader.get_text_file_contents(source))
            templar = self._templar.copy_with_new_env(
                searchpath=[str(Path(source).parent)], available_variables=task_vars
            )
            return templar.template(template, escape_backslashes=False, overrides={"trim_blocks": True})
        except AnsibleError as error:
            raise AnsibleActionFail(f"{name}: {error}") from error


def _write(dest, text, mode, owner):
    """Beside its place first, then renamed: a reader sees the old file or the new one."""
    temporary = dest.with_name(dest.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        os.fchmod(fd, mode)
        if owner:
            account = pwd.getpwnam(owner)
            os.fchown(fd, account.pw_uid, account.pw_gid)
    temporary.rename(dest)
