#!/usr/bin/python
"""Generate or remove the secrets of an environment."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_secrets
short_description: Generate or remove the secrets of an environment
description:
  - Passwords, the signing key and the test identities, a file each in a folder with mode 0700.
  - Values are never returned.
  - Before a value changes, the processes of the environment end. They know the old one.
options:
  folder: {description: Where they lie., type: path, required: true}
  state: {description: Whether they shall exist., type: str, choices: [present, absent], default: present}
  accounts: {description: Names that get a password each., type: list, elements: str, default: []}
  tenants: {description: Tenant id to display name., type: dict, default: {}}
  mode: {description: Mode of every file; 0644 for containers whose users are others., type: str, choices: ["0600", "0644"], default: "0600"}
  rotate: {description: Make every one of them anew., type: bool, default: false}
  given: {description: "Content by file name, of those that are not to be generated.", type: dict, default: {}}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Generate the secrets
  testbed_secrets:
    folder: /srv/testbed/env/local/secrets
    accounts: [postgres]
    tenants: {acme: Acme}
"""

RETURN = r"""
files: {description: Names of the files that changed., type: list, returned: always}
"""

PATIENCE_S = 5.0


def main():
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "tenants": {"type": "dict", "default": {}},
            "mode": {"type": "str", "choices": ["0600", "0644"], "default": "0600"},
            "rotate": {"type": "bool", "default": False},
            "given": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    from runners.environment.host import processes, secrets
    from runners.lib.files import read_json

    folder = Path(module.params["folder"])
    if module.params["state"] == "absent":
        existed = folder.is_dir()
        if existed and not module.check_mode:
            shutil.rmtree(folder)
        module.exit_json(changed=existed, files=[])
    accounts, tenants, mode = module.params["accounts"], module.params["tenants"], int(module.params["mode"], 8)
    given = {name: str(value) for name, value in module.params["given"].items()}
    if (wrong := secrets.unusable(given, accounts)) is not None:
        module.fail_json(msg=wrong)
    lacking = secrets.lacking(folder, accounts, tenants, mode=mode, rotate=module.params["rotate"], given=given)
    if module.check_mode:
        module.exit_json(changed=bool(lacking), files=[item.path for item in lacking], drift=secrets.drift(lacking))
    if any(item.kind == "value" for item in lacking):  # what runs knows the old ones alone
        processes.end_environment(read_json(folder.parent / "state.json") or {}, patience_s=PATIENCE_S)
    if module.params["rotate"]:
        secrets.forget(folder)
    files = secrets.generate(folder, accounts, tenants, mode=mode, given=given)
    module.exit_json(changed=bool(files), files=files)


if __name__ == "__main__":
    main()
