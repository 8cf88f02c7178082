#!/usr/bin/python
"""Record how a provisioning ended."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_outcome
short_description: Record how a provisioning ended
description:
  - Ready marks state.json. Failed writes failure.json with root causes, what they block, and their last log lines.
  - Rolled_back marks a failed provisioning whose processes, data and secrets are gone.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  state: {description: How it ended., type: str, choices: [ready, failed, rolled_back], required: true}
  supervisor: {description: Facts of supervisord, when ready., type: dict, default: {}}
  took: {description: Seconds from start to health of the services that were started., type: dict, default: {}}
  failed_task: {description: Name of the task that failed., type: str, default: ""}
  message: {description: What it said., type: str, default: ""}
  tags: {description: Its tags; one that names a service makes that service the cause., type: list, elements: str, default: []}
  reasons: {description: Per service why it is not healthy, as far as known., type: dict, default: {}}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Mark the environment as ready
  testbed_outcome:
    environment: /srv/testbed/env/local
    state: ready
"""

RETURN = r"""
failure: {description: The content of failure.json., type: dict, returned: when failed}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["ready", "failed", "rolled_back"], "required": True},
            "supervisor": {"type": "dict", "default": {}},
            "took": {"type": "dict", "default": {}},
            "failed_task": {"type": "str", "default": ""},
            "message": {"type": "str", "default": ""},
            "tags": {"type": "list", "elements": "str", "default": []},
            "reasons": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    from runners.environment.host import outcome
    from runners.environment.kinds import kind_of
    from runners.lib.files import read_json
    from runners.lib.home import Environment

    given = module.params
    environment = Environment(Path(given["environment"]))
    if module.check_mode:
        known = (read_json(environment.state) or {}).get("state")
        cause = {"service": given["tags"][0] if given["tags"] else "provisioning", "reason": given["message"]}
        module.exit_json(changed=known != given["state"], failure={"root_causes": [cause]})
    if given["state"] == "ready":
        module.exit_json(changed=outcome.ready(environment, given["supervisor"], given["took"]))
    if given["state"] == "failed":
        state = read_json(environment.state) or {}
        failure = outcome.failed(
            environment, failed_task=given["failed_task"], message=given["message"], tags=given["tags"],
            reasons=given["reasons"], ask=lambda services: kind_of(state).look({**state, "services": services}).reasons if services else {},
        )  # fmt: skip
        module.exit_json(changed=True, failure=failure)
    module.exit_json(changed=outcome.rolled_back(environment))


if __name__ == "__main__":
    main()
