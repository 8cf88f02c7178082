#!/usr/bin/python
"""Build or remove container images."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_images
short_description: Build or remove container images
description:
  - An image is built when the engine has none of that service whose tag is the hash of its content.
options:
  images: {description: Images by service, see group_vars/all/images.yml., type: dict, required: true}
  names: {description: Which of them; those that can be built, when empty., type: list, elements: str, default: []}
  state:
    description: Whether they shall exist; pruned removes older ones alone, as far as no container uses them.
    type: str
    choices: [present, absent, pruned]
    default: present
  base: {description: What all builds begin with., type: str, default: ""}
  frontend: {description: Where the pages come from., type: str, choices: [auto, built, prebuilt], default: auto}
  pip_index: {description: Index of Python packages., type: str, default: ""}
  npm_registry: {description: Registry of Node packages., type: str, default: ""}
  ca: {description: CA bundle that verifies both; the machine's when empty., type: str, default: ""}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Build the backend
  testbed_images:
    images: "{{ testbed_images }}"
    names: [backend]
"""

RETURN = r"""
images: {description: Name to repository:tag., type: dict, returned: when present}
built: {description: Name to seconds of those that were not there., type: dict, returned: when present}
removed: {description: What is gone., type: list, returned: when absent or pruned}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent", "pruned"], "default": "present"},
            "base": {"type": "str", "default": ""},
            "frontend": {"type": "str", "choices": ["auto", "built", "prebuilt"], "default": "auto"},
            "pip_index": {"type": "str", "default": ""},
            "npm_registry": {"type": "str", "default": ""},
            "ca": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    from runners.environment.images import engine, provide
    from runners.lib.errors import TestbedError

    given = module.params
    names = given["names"] or [name for name, entry in given["images"].items() if entry.get("build")]
    try:
        if given["state"] == "absent":
            present = [reference for name in names for reference in engine.tags(name)]
            removed = present if module.check_mode else provide.withdraw(names)
            module.exit_json(changed=bool(removed), removed=removed)
        fetching = engine.Fetching(given["pip_index"], given["npm_registry"], engine.ca_bundle(given["ca"]))
        pruned = given["state"] == "pruned"
        done = provide.provide(
            names, given["images"], base=given["base"], frontend=given["frontend"], fetching=fetching,
            dry=pruned or module.check_mode,
        )  # fmt: skip
        if pruned:
            removed = provide.prune(done.images, dry=module.check_mode)
            module.exit_json(changed=bool(removed), removed=removed)
    except TestbedError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done.built), images=done.images, built=done.built)


if __name__ == "__main__":
    main()
