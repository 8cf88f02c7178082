#!/usr/bin/python
"""Read what a host knows of an environment."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_state
short_description: Read state.json, failure.json and, when asked, the secrets of an environment
description:
  - For the action plugin testbed_mirror, which keeps the controller's copy of them. Changes nothing.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  secrets: {description: Return the secrets too., type: bool, default: false}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Read the state
  testbed_state:
    environment: /srv/testbed/env/remote
"""

RETURN = r"""
state: {description: The content of state.json; null without one., type: dict, returned: always}
failure: {description: The content of failure.json; null without one., type: dict, returned: always}
secrets: {description: Content by file name; null when not asked for., type: dict, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "secrets": {"type": "bool", "default": False, "no_log": False},
        },
        supports_check_mode=True,
    )
    folder, secrets = Path(module.params["environment"]), None
    if module.params["secrets"]:
        secrets = {path.name: path.read_text() for path in sorted((folder / "secrets").glob("*")) if path.is_file()}
    module.exit_json(
        changed=False, state=read(folder / "state.json"), failure=read(folder / "failure.json"), secrets=secrets
    )


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
