#!/usr/bin/python
"""See that no other controller drives an environment on this host, and note who does."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_controller
short_description: See that no other controller drives an environment on this host
description:
  - Each controller has a lease of its own, which another one does not see. So the host notes who provisioned an environment,
    and everybody else is refused.
  - Needs nothing of the testbed on the host, and comes before anything is installed or removed there.
options:
  environment: {description: Folder of the environment on the host., type: path, required: true}
  controller: {description: Who asks., type: str, required: true}
  claim: {description: Note it where nobody is noted., type: bool, default: false}
  takeover: {description: Note it whoever is noted., type: bool, default: false}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: See that no other controller drives it
  testbed_controller:
    environment: /srv/testbed/env/remote
    controller: "ci1:/home/ci/.testbed/env/remote"
    claim: true
"""

RETURN = r"""
provisioned: {description: Whether anything was decided about the environment on this host., type: bool, returned: always}
"""

NOTE = "controller.json"


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "controller": {"type": "str", "required": True},
            "claim": {"type": "bool", "default": False},
            "takeover": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    folder, me = Path(module.params["environment"]), module.params["controller"]
    note = folder / NOTE
    noted = who(note)
    if noted is None and module.params["claim"] and not module.check_mode:
        noted = claim(note, me)
    elif noted not in (None, me) and module.params["takeover"]:
        noted = me if module.check_mode else take_over(note, me)
    if noted not in (None, me):
        module.fail_json(msg=f"the environment in {folder} is driven from {noted}")
    provisioned = (folder / "state.json").exists()
    if not module.params["claim"] and not provisioned and not module.check_mode:
        note.unlink(missing_ok=True)  # there is nothing that it would be about
    # It is no part of the environment: noting it changes nothing.
    module.exit_json(changed=False, provisioned=provisioned)


def who(note):
    try:
        return json.loads(note.read_text())["controller"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def take_over(note, me):
    note.unlink(missing_ok=True)
    return claim(note, me)


def claim(note, me):
    """Whose it is afterwards: of two at once one is refused."""
    note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = note.with_name(f"{NOTE}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump({"controller": me}, file)
    try:
        if who(note) is None:
            note.unlink(missing_ok=True)  # it was not whole
        os.link(draft, note)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return who(note)


if __name__ == "__main__":
    main()
