#!/usr/bin/python
"""Keep wheels in a folder of a host."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_wheels
short_description: Keep wheels in a folder of a host
description:
  - Tells which of the wheels are missing or others; writes those whose content is given, and removes older ones.
  - The action plugin of this name asks first, and sends what is missing.
options:
  folder: {description: Where they lie on the host., type: path, required: true}
  wheels: {description: SHA-256 by file name., type: dict, required: true}
  contents: {description: Content in base64 by file name., type: dict, default: {}}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Bring the wheels
  testbed_wheels:
    home: /srv/testbed
    source: build
    cache: /var/cache/testbed
"""

RETURN = r"""
missing: {description: Names of wheels that are not there yet., type: list, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "wheels": {"type": "dict", "required": True},
            "contents": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    folder, wheels = Path(module.params["folder"]), module.params["wheels"]
    missing = [name for name, digest in wheels.items() if digest_of(folder / name) != digest]
    changed = bool(missing)
    if module.params["contents"] and not module.check_mode:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in module.params["contents"].items():
            temporary = folder / f"{name}.new"
            temporary.write_bytes(base64.b64decode(content))
            temporary.rename(folder / name)
        for path in folder.iterdir():
            if path.name not in wheels:
                path.unlink()
        missing = [name for name, digest in wheels.items() if digest_of(folder / name) != digest]
        if missing:
            module.fail_json(msg=f"wheels did not arrive whole: {', '.join(missing)}")
    module.exit_json(changed=changed, missing=missing)


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


if __name__ == "__main__":
    main()
