#!/usr/bin/python
"""Make or remove the folder of an environment."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_workspace
short_description: Make or remove the folder of an environment, and decide its facts
description:
  - Decides the environment's id, ports, server binaries and accounts once, and records them in state.json.
  - Runs on the controller's interpreter, which has the testbed installed.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  state: {description: Whether it shall exist., type: str, choices: [present, absent], default: present}
  catalogue: {description: Services by name, see group_vars/all/services.yml., type: dict, default: {}}
  supervisor_port: {description: Port of supervisord in the first block., type: int, default: 9001}
  inventory: {description: Folder of the inventory in use., type: str, default: ""}
  target_file: {description: Target profile of the environment., type: str, default: ""}
  only: {description: Services to provision, with what they require; all when empty., type: list, elements: str, default: []}
  defects: {description: Known defects to switch on., type: list, elements: str, default: []}
  port_offset: {description: Offset of the ports; chosen when negative., type: int, default: -1}
  stores: {description: Who keeps the signals., type: str, choices: [embedded, real, auto], default: embedded}
  identity: {description: Who knows the users., type: str, choices: [local, keycloak], default: local}
  bind: {description: Address of what clients of the platform reach., type: str, default: 127.0.0.1}
  keep: {description: Entries to keep when removing., type: list, elements: str, default: []}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Make the folders
  testbed_workspace:
    environment: /srv/testbed/env/local
    catalogue: "{{ testbed_services }}"
"""

RETURN = r"""
prepared: {description: state.json as a dictionary., type: dict, returned: when present}
facts: {description: Ports, binaries, account and data folder., type: dict, returned: when present}
changed_items: {description: What was made or removed., type: list, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "catalogue": {"type": "dict", "default": {}},
            "supervisor_port": {"type": "int", "default": 9001},
            "inventory": {"type": "str", "default": ""},
            "target_file": {"type": "str", "default": ""},
            "only": {"type": "list", "elements": "str", "default": []},
            "defects": {"type": "list", "elements": "str", "default": []},
            "port_offset": {"type": "int", "default": -1},
            "stores": {"type": "str", "choices": ["embedded", "real", "auto"], "default": "embedded"},
            "identity": {"type": "str", "choices": ["local", "keycloak"], "default": "local"},
            "bind": {"type": "str", "default": "127.0.0.1"},
            "keep": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    from runners.environment.host import folders, workspace
    from runners.environment.host.accounts import NoAccount
    from runners.environment.host.ports import NoFreePorts
    from runners.environment.host.servers import Unprovidable
    from runners.lib.home import Environment

    given = module.params
    environment = Environment(Path(given["environment"]))
    if given["state"] == "absent":
        gone = folders.clear(environment, keep=given["keep"], dry=module.check_mode)
        module.exit_json(changed=bool(gone), changed_items=gone)
    try:
        prepared = workspace.prepare(
            environment, given["catalogue"], supervisor_port=given["supervisor_port"], inventory=given["inventory"],
            target_file=given["target_file"], only=given["only"], defects=given["defects"],
            port_offset=given["port_offset"], stores=given["stores"], identity=given["identity"], bind=given["bind"],
            dry=module.check_mode,
        )  # fmt: skip
    except (Unprovidable, NoAccount, NoFreePorts, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(prepared.changed),
        changed_items=prepared.changed,
        prepared=prepared.state,
        facts=prepared.facts,
        drift=prepared.drift,
    )


if __name__ == "__main__":
    main()
