#!/usr/bin/python
"""Bring the containers of an environment up, remove them, or ask how they are."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_compose
short_description: Bring the containers of an environment up, remove them, or ask how they are
description:
  - Writes the variables of compose, starts what is absent, replaces what is configured otherwise, and waits for health.
  - Nothing is started when every container is as it is wanted. Contents of mounted files count as configuration.
  - Removing takes whatever carries the environment's label, and nothing else.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  state: {description: What shall be., type: str, choices: [present, absent, asked], default: present}
  files: {description: What compose reads; those that do not exist are left out., type: list, elements: path, default: []}
  images: {description: Images by service, see group_vars/all/images.yml., type: dict, default: {}}
  built: {description: Image of each service whose image was built here., type: dict, default: {}}
  further: {description: Services of the compose files beside those of the catalogue., type: list, elements: str, default: []}
  patience: {description: Seconds until all must be healthy., type: float, default: 180}
  keep_volumes: {description: Whether data stays, when absent., type: bool, default: false}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Start the containers
  testbed_compose:
    environment: /srv/testbed/env/compose
    files: [observastack/compose.yaml]
    images: "{{ testbed_images }}"
"""

RETURN = r"""
todo: {description: What differed by service and why., type: dict, returned: when present}
drift: {description: "The same as items of `testbed drift`, in check mode.", type: list, returned: when present}
took: {description: Seconds from start to health of what was started., type: dict, returned: when present}
reasons: {description: Per service why it is not healthy; null when it is., type: dict, returned: on failure or when asked}
removed: {description: Containers and networks and volumes that went., type: list, returned: when absent}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "asked"], "default": "present"},
            "files": {"type": "list", "elements": "path", "default": []},
            "images": {"type": "dict", "default": {}},
            "built": {"type": "dict", "default": {}},
            "further": {"type": "list", "elements": "str", "default": []},
            "patience": {"type": "float", "default": 180},
            "keep_volumes": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    from runners.environment.containers import bring_up, kind
    from runners.lib.errors import TestbedError
    from runners.lib.files import read_json
    from runners.lib.home import Environment

    given = module.params
    environment = Environment(Path(given["environment"]))
    state = read_json(environment.state) or {}
    try:
        if given["state"] == "absent":
            removed = bring_up.remove(environment, state, keep_volumes=given["keep_volumes"], dry=module.check_mode)
            module.exit_json(changed=bool(removed), removed=removed)
        if given["state"] == "asked":
            asked(module, dict(kind.look(state).reasons))
        if module.check_mode and not state:
            module.exit_json(changed=True, todo={}, took={}, drift=[])
        with tempfile.TemporaryDirectory() as scratch:
            done = bring_up.bring_up(
                environment, state, given["files"], given["images"], given["built"], patience_s=given["patience"],
                further=given["further"], dry=module.check_mode, scratch=Path(scratch),
            )  # fmt: skip
    except bring_up.NotUp as error:
        module.fail_json(msg=str(error), reasons=error.reasons)
    except TestbedError as error:
        module.fail_json(msg=str(error))
    drift = [
        {"service": name, "kind": "process", "path": None, "expected": "as configured", "found": why}
        for name, why in done.todo.items()
    ]
    if module.check_mode:
        unhealthy = {name: why for name, why in kind.look(state).reasons.items() if why and name not in done.todo}
        drift += [
            {"service": name, "kind": "health", "path": None, "expected": "healthy", "found": why}
            for name, why in unhealthy.items()
        ]
    module.exit_json(
        changed=bool(done.todo) or done.variables, todo=done.todo, took=done.took_s,
        drift=drift if module.check_mode else [],
    )  # fmt: skip


def asked(module, reasons):
    bad = [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]
    if bad:
        module.fail_json(msg="; ".join(bad), reasons=reasons)
    module.exit_json(changed=False, reasons=reasons)


if __name__ == "__main__":
    main()
