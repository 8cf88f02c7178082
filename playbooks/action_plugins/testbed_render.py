"""Render several templates of a role in one task, inside the controller.

A loop over ansible.builtin.template costs two module executions a file, more than a CPU second; where the host is this
machine this costs milliseconds, and no module runs. On another host all files of the task go there in one execution of
testbed_files, and a copy of them below `testbed_copy` stays here.
"""

from __future__ import annotations

import hashlib
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

    _VALID_ARGS = frozenset(("files", "state"))

    def run(self, tmp=None, task_vars=None):
        from runners.environment.host.launch import fingerprint
        from runners.lib.files import write_text

        result = super().run(tmp, task_vars)
        host = None
        if self._play_context.connection != "local":
            host = _Host(self, task_vars)
        changed, diffs, drift, digests = [], [], [], {}
        further = {"testbed_digests": digests, "testbed_secret": self._secrets(task_vars)}
        for item in self._task.args["files"]:
            dest = Path(item["dest"])
            if self._task.args.get("state", "present") == "absent":
                if host is not None:
                    host.remove(dest)
                elif dest.exists():
                    changed.append(str(dest))
                    if not self._task.check_mode:
                        dest.unlink()
                continue
            if "src" not in item:
                digests[str(dest)] = host.digest(dest) if host is not None else fingerprint([str(dest)])
                continue
            text = self._render(item["src"], {**task_vars, **further})
            digests[str(dest)] = digest(text)
            mode = int(str(item.get("mode", "0600")), 8)
            if host is not None:
                if not boolean(item.get("watched", False)):
                    host.write(dest, text, item)
                continue
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
                write_text(dest, text, mode=mode, owner=item.get("owner"))
        if host is not None:
            failure, changed, diffs, drift = host.flush()
            if failure:
                return {**result, **failure}
        result.update(changed=bool(changed), files=changed, drift=drift)
        if self._task.check_mode and drift:  # drift.yml tells them all together
            known = task_vars.get("ansible_facts", {}).get("testbed_drift", [])
            result["ansible_facts"] = {"testbed_drift": [*known, *drift]}
        if self._task.diff and diffs:
            result["diff"] = diffs
        return result

    def _secrets(self, task_vars):
        place = trust_as_template("{{ testbed_copy | default(testbed_environment) }}/secrets")
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
        return self.item(dest, expected, seen)

    def item(self, dest, expected, seen):
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


class _Host:
    """The files of one task on another host: collected, then sent together; a copy of each stays on the controller."""

    def __init__(self, action, task_vars):
        self._action, self._task_vars, self._files, self._secret, self._gone = action, task_vars, [], set(), []
        self._check = action._task.check_mode
        names = {"environment": "{{ testbed_environment }}", "copy": "{{ testbed_copy }}"}
        templar = action._templar.copy_with_new_env(available_variables=task_vars)
        places = {name: Path(str(templar.template(trust_as_template(text)))) for name, text in names.items()}
        self._environment, self._copy = places["environment"], places["copy"]

    def _copied(self, dest):
        if dest.is_relative_to(self._environment):
            return self._copy / dest.relative_to(self._environment)
        return self._copy / "config" / "outside" / str(dest).strip("/").replace("/", "_")

    def write(self, dest, text, item):
        entry = {"dest": str(dest), "content": text, "mode": str(item.get("mode", "0600"))}
        self._files.append(entry | ({"owner": item["owner"]} if item.get("owner") else {}))
        if boolean(item.get("secret", False)):
            self._secret.add(str(dest))

    def remove(self, dest):
        """Here alone: on the host all of it goes at once, with the folder (role workspace)."""
        copy = self._copied(dest)
        if copy.exists():
            self._gone.append(str(dest))
            if not self._check:
                copy.unlink()

    def digest(self, pattern):
        """Of all files of the host that match, in the order of their names."""
        found = self._run(files=[], pattern=str(pattern))
        if found.get("failed"):
            raise AnsibleActionFail(found.get("msg", "the host's files cannot be read"))
        return found["fingerprint"]

    def flush(self):
        """(failure or None, changed, diffs, drift)"""
        from runners.lib.files import write_text

        if not self._files:
            return None, self._gone, [], []
        found = self._run(files=self._files)
        if found.get("failed") or found.get("unreachable"):
            found.pop("invocation", None)
            return found, [], [], []
        diffs, drift = [], []
        for entry in self._files:
            copy = self._copied(Path(entry["dest"]))
            before = copy.read_text() if copy.is_file() else None
            if entry["dest"] in found["found"]:
                self._tell(entry, before, found["found"][entry["dest"]], diffs, drift)
            if not self._check and before != entry["content"]:
                copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_text(copy, entry["content"])
        return None, found["files"], diffs, drift

    def _tell(self, entry, before, seen, diffs, drift):
        dest, mode = entry["dest"], int(entry["mode"], 8)
        if seen["mode"] is None:
            expected, was = "a file", "nothing"
        elif seen["content"]:
            expected, was = f"content {digest(entry['content'])}", "another content"
        else:
            expected, was = f"mode {mode:04o}", f"mode {seen['mode']:04o}"
        drift.append(self._action.item(dest, expected, was))
        if dest not in self._secret:
            diffs.append(
                {"before": before or "", "after": entry["content"], "before_header": dest, "after_header": dest}
            )

    def _run(self, **arguments):
        hidden, self._action._play_context.no_log = self._action._play_context.no_log, True  # contents may be secrets
        try:
            return self._action._execute_module(
                module_name="testbed_files", module_args=arguments, task_vars=self._task_vars
            )
        finally:
            self._action._play_context.no_log = hidden


def digest(text):
    """What a program's section tells of a file: a change of it makes supervisord replace the program."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
