#!/usr/bin/python
"""Start services in the order of their requirements and wait until each is healthy."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_services
short_description: Start services in the order of their requirements and wait until each is healthy
description:
  - Each is asked the way its clients ask (readiness page, query, PING), all of them in parallel.
options:
  services: {description: Services as in state.json., type: list, elements: dict, required: true}
  supervisor: {description: How to reach supervisord (url, username, password_file)., type: dict, required: true}
  start: {description: Start what does not run; else only ask once., type: bool, default: true}
  early: {description: Programs to start without waiting for them., type: list, elements: str, default: []}
  before: {description: What an earlier call for the same environment returned., type: dict, default: {}}
  patience: {description: Seconds until a service must be healthy., type: float, default: 60}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Start the stores
  testbed_services:
    services: "{{ workspace_prepared.prepared.services }}"
    supervisor: "{{ workspace_prepared.prepared.supervisor }}"
"""

RETURN = r"""
reasons: {description: Per service why it is not healthy; null when it is., type: dict, returned: always}
started: {description: Names of the services that this call started., type: list, returned: always}
took: {description: Seconds from start to health of those and of earlier ones., type: dict, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "supervisor": {"type": "dict", "required": True},
            "start": {"type": "bool", "default": True},
            "early": {"type": "list", "elements": "str", "default": []},
            "before": {"type": "dict", "default": {}},
            "patience": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    from runners.environment.host import readiness

    given = module.params
    took = {}
    if module.check_mode and given["start"]:
        reasons = readiness.probe_all(given["services"])
        module.exit_json(changed=any(reasons.values()), reasons=reasons, started=[], took={})
    if given["start"]:
        early = readiness.kick(given["early"], given["supervisor"])
        outcomes = readiness.bring_up(given["services"], given["supervisor"], start=True, patience_s=given["patience"])
        reasons = {name: outcome.reason for name, outcome in outcomes.items()}
        started = sorted({*early, *(name for name, outcome in outcomes.items() if outcome.started)})
        known = given["before"].get("took", {})
        new = {*given["before"].get("started", []), *started} - set(known)
        took = known | {name: outcome.seconds for name, outcome in outcomes.items() if name in new}
    else:
        reasons, started = readiness.probe_all(given["services"]), []
    bad = [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]
    if bad:
        module.fail_json(msg="; ".join(bad), reasons=reasons, started=started)
    module.exit_json(changed=bool(started), reasons=reasons, started=started, took=took)


if __name__ == "__main__":
    main()
