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
options:
  folder: {description: Where they lie., type: path, required: true}
  state: {description: Whether they shall exist., type: str, choices: [present, absent], default: present}
  accounts: {description: Names that get a password each., type: list, elements: str, default: []}
  tenants: {description: Tenant id to display name., type: dict, default: {}}
  mode: {description: Mode of every file; 0644 for containers whose users are others., type: str, choices: ["0600", "0644"], default: "0600"}
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


def main():
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "accounts": {"type": "list", "elements": "str", "default": []},
            "tenants": {"type": "dict", "default": {}},
            "mode": {"type": "str", "choices": ["0600", "0644"], "default": "0600"},
        }
    )
    from runners.environment.host import secrets

    folder = Path(module.params["folder"])
    if module.params["state"] == "absent":
        existed = folder.is_dir()
        if existed:
            shutil.rmtree(folder)
        module.exit_json(changed=existed, files=[])
    files = secrets.generate(
        folder, module.params["accounts"], module.params["tenants"], mode=int(module.params["mode"], 8)
    )
    module.exit_json(changed=bool(files), files=files)


if __name__ == "__main__":
    main()
