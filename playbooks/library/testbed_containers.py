#!/usr/bin/python
"""Decide the facts of an environment of containers."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_containers
short_description: Decide the facts of an environment of containers and make its folders
description:
  - Decides the environment's id, ports, project and the source of its images once, and records them in state.json.
  - The engine must answer, since without one nothing can be decided.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  catalogue: {description: Services by name, see group_vars/all/services.yml., type: dict, required: true}
  images: {description: Images by service, see group_vars/all/images.yml., type: dict, required: true}
  images_source: {description: Where images come from., type: str, choices: [official, local, auto], default: auto}
  files: {description: What compose reads., type: list, elements: path, default: []}
  inventory: {description: Folder of the inventory in use., type: str, default: ""}
  target_file: {description: Target profile of the environment., type: str, default: ""}
  only: {description: Services to provision, with what they require; all when empty., type: list, elements: str, default: []}
  defects: {description: Known defects to switch on., type: list, elements: str, default: []}
  port_offset: {description: Offset of the ports; chosen when negative., type: int, default: -1}
  stores: {description: Who keeps the signals., type: str, choices: [embedded, real, auto], default: embedded}
  identity: {description: Who knows the users., type: str, choices: [local, keycloak], default: local}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Decide the facts
  testbed_containers:
    environment: /srv/testbed/env/compose
    catalogue: "{{ testbed_services }}"
    images: "{{ testbed_images }}"
"""

RETURN = r"""
prepared: {description: state.json as a dictionary., type: dict, returned: always}
facts: {description: Ports and addresses and what templates need., type: dict, returned: always}
to_build: {description: Names of the images that are built here., type: list, returned: always}
changed_items: {description: What was made or decided anew., type: list, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "catalogue": {"type": "dict", "required": True},
            "images": {"type": "dict", "required": True},
            "images_source": {"type": "str", "choices": ["official", "local", "auto"], "default": "auto"},
            "files": {"type": "list", "elements": "path", "default": []},
            "inventory": {"type": "str", "default": ""},
            "target_file": {"type": "str", "default": ""},
            "only": {"type": "list", "elements": "str", "default": []},
            "defects": {"type": "list", "elements": "str", "default": []},
            "port_offset": {"type": "int", "default": -1},
            "stores": {"type": "str", "choices": ["embedded", "real", "auto"], "default": "embedded"},
            "identity": {"type": "str", "choices": ["local", "keycloak"], "default": "local"},
        },
        supports_check_mode=True,
    )
    from runners.environment.containers import compose, engine, workspace
    from runners.environment.host.ports import NoFreePorts
    from runners.lib.errors import TestbedError
    from runners.lib.home import Environment

    given = module.params
    try:
        compose.require()
        engine_id = str(engine.connect().info()["ID"])
        prepared = workspace.prepare(
            Environment(Path(given["environment"])), given["catalogue"], given["images"], given["files"],
            inventory=given["inventory"], target_file=given["target_file"], engine_id=engine_id,
            source=given["images_source"], only=given["only"], defects=given["defects"],
            port_offset=given["port_offset"], stores=given["stores"], identity=given["identity"], dry=module.check_mode,
        )  # fmt: skip
    except TestbedError as error:
        module.fail_json(msg=f"{error.what}; {error.remedy}" if error.remedy else error.what)
    except (workspace.Unprovidable, NoFreePorts, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(prepared.changed), changed_items=prepared.changed, prepared=prepared.state, facts=prepared.facts,
        to_build=workspace.to_build(prepared.state, given["catalogue"], given["images"]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
