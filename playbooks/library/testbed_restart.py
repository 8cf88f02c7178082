#!/usr/bin/python
"""Restart services one at a time, each healthy before the next goes."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_restart
short_description: Restart services one at a time, each healthy before the next goes
description:
  - In the order of their requirements. Stops at the first that does not come back, and before it starts when a service that
    is not to be restarted is not healthy.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  services: {description: Names of services; all when empty., type: list, elements: str, default: []}
  patience: {description: Seconds until each must be healthy., type: float, default: 60}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Restart the platform
  testbed_restart:
    environment: /srv/testbed/env/local
    services: [backend, ingest]
"""

RETURN = r"""
restarted: {description: "Per service {service, pid, seconds}.", type: list, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "services": {"type": "list", "elements": "str", "default": []},
            "patience": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    from runners.environment.host import readiness, rolling
    from runners.lib.files import read_json
    from runners.lib.home import Environment

    given, done = module.params, []
    environment = Environment(Path(given["environment"]))
    recorded = read_json(environment.state) or {}
    if recorded.get("state") not in ("ready", "degraded"):
        module.fail_json(msg=f"no environment that runs in {environment.root}", restarted=done)
    try:
        services = rolling.plan(recorded["services"], given["services"])
    except ValueError as error:
        module.fail_json(msg=str(error), restarted=done)
    if module.check_mode:
        module.exit_json(changed=True, restarted=[{"service": item["name"]} for item in services])
    for service in services:
        others = [item for item in recorded["services"] if item["name"] != service["name"]]
        bad = {name: reason for name, reason in readiness.probe_all(others).items() if reason is not None}
        if bad:
            told = "; ".join(f"{name}: {reason}" for name, reason in sorted(bad.items()))
            module.fail_json(
                msg=f"{service['name']} is not restarted while others are not healthy: {told}", restarted=done
            )
        try:
            done.append(rolling.restart(service, recorded["supervisor"], patience_s=given["patience"]))
        except rolling.NotBack as error:
            module.fail_json(msg=str(error), restarted=done)
        waits = readiness.bring_up(others, recorded["supervisor"], start=False, patience_s=given["patience"])
        late = [f"{name}: {outcome.reason}" for name, outcome in waits.items() if outcome.reason is not None]
        if late:
            module.fail_json(msg=f"after {service['name']}: {'; '.join(late)}", restarted=done)
    module.exit_json(changed=bool(done), restarted=done)


if __name__ == "__main__":
    main()
