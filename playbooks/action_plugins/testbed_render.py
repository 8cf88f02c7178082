"""Render several templates of a role in one task, inside the controller: no module runs on the host.

A loop over ansible.builtin.template costs two module executions a file, more than a CPU second; this costs
milliseconds. It writes to the controller's own file system and therefore refuses any connection but `local`.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


class ActionModule(ActionBase):
    """`files`: list of {src, dest, mode, owner, secret, watched}; `state`: present (default) or absent.

    secret: no diff is shown. watched: another role writes it, only its digest is
    wanted; so is that of files without src, whose dest is a pattern. Templates find the digests of the
    task's earlier files, as they shall be and not as they are, in `testbed_digests` by destination: so check mode is right
    about what follows from a changed file. `testbed_secret` has the environment's secrets by file name; those that check
    mode has not made are missing.
    """

    _requires_connection = False
    _VALID_ARGS = frozenset(("files", "state"))

    def run(self, tmp=None, task_vars=None):
        from runners.environment.host.launch import fingerprint

        result = super().run(tmp, task_vars)
        if self._play_context.connection != "local":
            raise AnsibleActionFail("testbed_render writes on the controller: the connection must be local")
        changed, diffs, drift, digests = [], [], [], {}
        further = {"testbed_digests": digests, "testbed_secret": self._secrets(task_vars)}
        for item in self._task.args["files"]:
            dest = Path(item["dest"])
            if self._task.args.get("state", "present") == "absent":
                if dest.exists():
                    changed.append(str(dest))
                    if not self._task.check_mode:
                        dest.unlink()
                continue
            if "src" not in item:
                digests[str(dest)] = fingerprint([str(dest)])
                continue
            text = self._render(item["src"], {**task_vars, **further})
            digests[str(dest)] = digest(text)
            mode = int(str(item.get("mode", "0600")), 8)
            before = dest.read_text() if dest.exists() else None
            found = dest.stat().st_mode & 0o777 if before is not None else None
            if boolean(item.get("watched", False)) or (before == text and found == mode):
                continue
            changed.append(str(dest))
            drift.append(self._difference(dest, before, text, found, mode))
            if not item.get("secret", False):
                diffs.append(
                    {"before": before or "", "after": text, "before_header": str(dest), "after_header": str(dest)}
                )
            if not self._task.check_mode:
                _write(dest, text, mode, item.get("owner"))
        result.update(changed=bool(changed), files=changed, drift=drift)
        if self._task.check_mode and drift:  # drift.yml tells them all together
            known = task_vars.get("ansible_facts", {}).get("testbed_drift", [])
            result["ansible_facts"] = {"testbed_drift": [*known, *drift]}
        if self._task.diff and diffs:
            result["diff"] = diffs
        return result

    def _secrets(self, task_vars):
        place = trust_as_template("{{ testbed_environment }}/secrets")
        folder = Path(self._templar.copy_with_new_env(available_variables=task_vars).template(place))
        return {path.name: path.read_text().strip() for path in folder.glob("*") if path.is_file()}

    def _difference(self, dest, before, text, found, mode):
        """One item of `testbed drift`; never a content."""
        if before is None:
            expected, seen = "a file", "nothing"
        elif before != text:
            expected, seen = f"content {digest(text)}", f"content {digest(before)}"
        else:
            expected, seen = f"mode {mode:04o}", f"mode {found:04o}"
        role = self._task._role.get_name() if self._task._role else ""
        return {"service": role, "kind": "configuration", "path": str(dest), "expected": expected, "found": seen}

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


def digest(text):
    """What a program's section tells of a file: a change of it makes supervisord replace the program."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
