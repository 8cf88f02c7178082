#!/usr/bin/python
"""Look for what check mode cannot see of a running environment."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_drift
short_description: Look for what check mode cannot see of a running environment
description:
  - Dead or paused processes, processes with another configuration than the one on disk, foreign listeners on the
    environment's ports, listeners that are open to more than this machine, services that are not healthy.
  - The content of Keycloak's realm and Prometheus's rules.
  - Changes nothing, in check mode or not.
options:
  environment: {description: Folder of the environment., type: path, required: true}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Look for drift
  testbed_drift:
    environment: /srv/testbed/env/local
"""

RETURN = r"""
drift:
  description: Deviations, each with service, kind, path, expected and found.
  type: list
  returned: always
"""


def main():
    module = AnsibleModule(argument_spec={"environment": {"type": "path", "required": True}}, supports_check_mode=True)
    from runners.environment.host import drift
    from runners.lib.files import read_json
    from runners.lib.home import Environment

    environment = Environment(Path(module.params["environment"]))
    state = read_json(environment.state)
    if state is None or not state.get("supervisor"):
        module.fail_json(msg=f"there is no environment in {environment.root}")
    items = drift.probe(environment, state)
    module.exit_json(changed=False, drift=[item.to_json() for item in items])


if __name__ == "__main__":
    main()
