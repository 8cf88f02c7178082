#!/usr/bin/python
"""Run supervisord with the present configuration, or end all processes of an environment."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_supervisor
short_description: Run supervisord with the present configuration, or end all processes of an environment
description:
  - Present starts it detached, or lets it replace the programs whose section changed. It starts no program.
  - Absent asks it to stop its programs in order, then kills every process that carries the environment's id.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  state: {description: Whether it shall run., type: str, choices: [present, absent], default: present}
  facts: {description: How to reach it (url, username, password_file), when present., type: dict, default: {}}
  env_id: {description: Mark of the environment's processes, when present., type: str, default: ""}
  patience: {description: Seconds for the orderly end., type: float, default: 5}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: End all processes
  testbed_supervisor:
    environment: /srv/testbed/env/local
    state: absent
"""

RETURN = r"""
supervisor: {description: Its pid and start time (clock ticks since boot)., type: dict, returned: when present}
programs: {description: Programs that are new, changed or gone., type: list, returned: when present}
killed: {description: How many processes had to be killed., type: int, returned: when absent}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "facts": {"type": "dict", "default": {}},
            "env_id": {"type": "str", "default": ""},
            "patience": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
        required_if=[("state", "present", ("facts", "env_id"))],
    )
    from runners.environment.host import apply, processes
    from runners.lib.files import read_json
    from runners.lib.home import Environment

    given = module.params
    environment = Environment(Path(given["environment"]))
    if given["state"] == "absent":
        state = read_json(environment.state) or {}
        if module.check_mode:
            module.exit_json(changed=bool(processes.members(processes.ENV_MARK, state.get("env_id") or "-")), killed=0)
        module.exit_json(**processes.end_environment(state, patience_s=given["patience"]))
    if module.check_mode:
        module.exit_json(changed=not apply.runs(given["facts"]), programs=[], supervisor={})
    try:
        applied = apply.apply(
            given["facts"], environment.config / "supervisord.conf", environment.logs / "supervisor.log",
            given["env_id"],
        )  # fmt: skip
    except apply.DidNotStart as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=applied.started or bool(applied.programs), programs=applied.programs,
        supervisor={"pid": applied.pid, "start": applied.start},
    )  # fmt: skip


if __name__ == "__main__":
    main()
