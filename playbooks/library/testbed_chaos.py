#!/usr/bin/python
"""Run the chaos agent on a host: one file of Python's standard library alone."""

from __future__ import annotations

import base64
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_chaos
short_description: Break a service of an environment on purpose, or undo that
description:
  - Copies the chaos agent to the host and runs it. The agent journals the fault, starts a watchdog, injects, proves the effect
    and leaves a process that reverts at the end of the time to live; all of them outlive Ansible.
  - Nothing of the testbed need be installed on the host; its Python must be 3.11 or newer.
options:
  environment: {description: Folder of the environment on the host., type: path, required: true}
  action: {description: What to do., type: str, choices: [preflight, inject, revert, recover], required: true}
  fault: {description: Kind of the fault to inject., type: str, default: ""}
  target: {description: Service to inject it into., type: str, default: ""}
  ttl: {description: Time to live such as 20s; at most 10m., type: str, default: 60s}
  id: {description: Fault to revert or the beginning of its id; all open ones when empty., type: str, default: ""}
  asked_by: {description: Who asks for it; given by the action plugin., type: str, default: ""}
  agent_name: {description: File name of the agent; given by the action plugin., type: str, required: true}
  agent: {description: The agent in base64; given by the action plugin., type: str, required: true}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Hang the ingest gateway for 20 seconds
  testbed_chaos:
    environment: /srv/testbed/env/local
    action: inject
    fault: pause
    target: ingest
    ttl: 20s
"""

RETURN = r"""
lines: {description: What was found or done for people., type: list, returned: success}
fault: {description: The fault as journalled., type: dict, returned: when injected}
targets: {description: Which fault is possible on which service., type: list, returned: with preflight}
settled: {description: The faults that were reverted., type: list, returned: with revert and recover}
"""

PATIENCE_S = 120


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "action": {"type": "str", "choices": ["preflight", "inject", "revert", "recover"], "required": True},
            "fault": {"type": "str", "default": ""},
            "target": {"type": "str", "default": ""},
            "ttl": {"type": "str", "default": "60s"},
            "id": {"type": "str", "default": ""},
            "asked_by": {"type": "str", "default": ""},
            "agent_name": {"type": "str", "required": True},
            "agent": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
        required_if=[("action", "inject", ("fault", "target"))],
    )
    given, environment = module.params, Path(module.params["environment"])
    if [int(part) for part in platform.python_version_tuple()[:2]] < [3, 11]:
        module.fail_json(
            msg=f"the chaos agent needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}"
        )
    if not (environment / "state.json").is_file():
        module.fail_json(msg=f"no environment in {environment}: provision it first, or set testbed_environment")
    action, looks = given["action"], module.check_mode or given["action"] == "preflight"
    if module.check_mode and action == "inject":
        action = "plan"
    elif module.check_mode and action in ("revert", "recover"):
        action = "preflight"
    folder = Path(module.tmpdir) if looks else environment / "chaos"
    agent = place(folder / given["agent_name"], base64.b64decode(given["agent"]))
    command = [sys.executable, "-S", "-E", str(agent), action, "--environment", str(environment)]
    for name in ("fault", "target", "ttl", "id"):
        command += [f"--{name}", given[name]]
    found = run(module, [*command, "--asked-by", given["asked_by"]])
    if "error" in found and not (module.check_mode and action == "preflight"):
        remedy = f" ({found['remedy']})" if found.get("remedy") else ""
        module.fail_json(msg=found["error"] + remedy, **{key: found[key] for key in found if key != "error"})
    if module.check_mode and action == "preflight" and given["action"] != "preflight":
        found["lines"] = [f"would settle {item['fault']} on {item['target']}" for item in found.get("open", [])]
        found["settled"] = found.get("open", [])
    changed = action in ("inject", "plan") or bool(found.get("settled"))
    module.exit_json(changed=changed, **found)


def place(path, content):
    """Write the agent unless it is there: its name tells its content, and a watchdog may be running from it."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        temporary.rename(path)
    return path


def run(module, command):
    """The agent's document. Never raises."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, cwd="/"
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        module.fail_json(msg=f"the chaos agent did not end within {PATIENCE_S} s")
    except ValueError:
        module.fail_json(msg=f"the chaos agent ended with exit code {done.returncode}: {done.stderr.strip()[-400:]}")


if __name__ == "__main__":
    main()
