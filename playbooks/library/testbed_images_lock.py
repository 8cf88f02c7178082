#!/usr/bin/python
"""Write down the digests of official images."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_images_lock
short_description: Write down the digests of official images
description:
  - Pulls every image that has a repository; writes nothing when one of them cannot be had.
options:
  images: {description: Images by service, see group_vars/all/images.yml., type: dict, required: true}
  file: {description: Where the digests go., type: path, required: true}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Pin the images
  testbed_images_lock:
    images: "{{ testbed_images }}"
    file: inventories/compose/group_vars/all/images-lock.yml
"""

RETURN = r"""
digests: {description: Name to sha256 digest., type: dict, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "file": {"type": "path", "required": True},
        }
    )
    from runners.environment.images import lock
    from runners.lib.errors import TestbedError

    try:
        found = lock.digests(module.params["images"])
    except TestbedError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=lock.write(Path(module.params["file"]), found), digests=found)


if __name__ == "__main__":
    main()
