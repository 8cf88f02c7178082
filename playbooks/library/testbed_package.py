#!/usr/bin/python
"""Install the testbed from wheels into a virtual environment of its own, or remove it."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_package
short_description: Install the testbed from wheels into a virtual environment of its own
description:
  - Needs nothing on the host but a Python 3.11 or newer with venv and pip; runs on it, not on what it installs.
  - Does nothing when the same wheels are installed already. What was interrupted is done again.
  - Absent removes the virtual environment, the wheels and what Ansible left, and the home when nothing of an environment is
    left in it.
options:
  home: {description: Folder of the testbed on this host., type: path, required: true}
  state: {description: Whether it shall be installed., type: str, choices: [present, absent], default: present}
  requirements: {description: What to install, names of wheels in <home>/wheels or requirements of an index., type: list, elements: str, default: []}
  options: {description: Further arguments of pip install., type: list, elements: str, default: []}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Install the testbed
  testbed_package:
    home: /srv/testbed
    requirements: [observastack_testbed-0.1.0-py3-none-any.whl]
"""

RETURN = r"""
digest: {description: Of what is installed., type: str, returned: when present}
removed: {description: What was removed., type: list, returned: when absent}
"""

STAMP = "testbed-digest"


def main():
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "requirements": {"type": "list", "elements": "str", "default": []},
            "options": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    home = Path(module.params["home"])
    if module.params["state"] == "absent":
        removed = absent(home, dry=module.check_mode)
        module.exit_json(changed=bool(removed), removed=removed)
    present(module, home, module.params["requirements"], module.params["options"])


def present(module, home, requirements, options):
    if [int(part) for part in platform.python_version_tuple()[:2]] < [3, 11]:
        module.fail_json(msg=f"the testbed needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}")
    venv, wheels = home / "venv", home / "wheels"
    named = [str(wheels / item) if item.endswith(".whl") else item for item in requirements]
    digest = digest_of(named, options)
    stamp = venv / STAMP
    if stamp.is_file() and stamp.read_text() == digest:
        module.exit_json(changed=False, digest=digest)
    if module.check_mode:
        module.exit_json(changed=True, digest=digest)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    if not (venv / "bin" / "pip").exists():
        rc, _, error = module.run_command([sys.executable, "-m", "venv", str(venv)])
        if rc != 0:
            shutil.rmtree(venv, ignore_errors=True)
            module.fail_json(msg=f"no virtual environment (on Debian install python3-venv): {error.strip()[-300:]}")
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    rc, out, error = module.run_command([*pip, "install", "--upgrade", "--no-cache-dir", *options, *named], cwd="/")
    if rc == 0 and "--no-deps" in options:  # then nobody has looked whether what it needs is there
        rc, out, error = module.run_command(
            [str(venv / "bin" / "python"), "-I", "-c", "import runners.environment.service, observastack.config"],
            cwd="/",
        )
    if rc != 0:
        module.fail_json(msg=f"the testbed could not be installed: {(error.strip() or out.strip())[-600:]}")
    stamp.write_text(digest)
    module.exit_json(changed=True, digest=digest)


def digest_of(named, options):
    """Of the wheels' content, and of what else decides what is installed."""
    found = hashlib.sha256(repr(options).encode())
    for item in named:
        found.update(Path(item).read_bytes() if item.endswith(".whl") and Path(item).is_file() else item.encode())
    return found.hexdigest()


def absent(home, *, dry):
    """Everything that installing made; the home too unless an environment lies in it."""
    # An environment that is just being made has a note of who makes it, and no state.json yet.
    if not home.is_dir() or any(home.glob("env/*/state.json")) or any(home.glob("env/*/controller.json")):
        return []
    found = [
        path for path in (home / name for name in ("venv", "wheels", "tmp", "env", "chaos", "cache")) if path.exists()
    ]
    for path in [] if dry else found:
        shutil.rmtree(path)
    rest = os.listdir(home)
    if not rest and not dry:
        home.rmdir()
    return [str(path) for path in found]


if __name__ == "__main__":
    main()
