#!/usr/bin/python
"""Write files whose content comes from the controller, or remove them."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_files
short_description: Write several files whose content comes from the controller, in one execution
description:
  - What the action plugin testbed_render uses where the host is another machine. Each file is written beside its place and renamed.
options:
  files: {description: "Files as {dest, content, mode, owner}; without content the file is removed.", type: list, elements: dict, required: true}
  pattern: {description: Return the fingerprint of the files that match instead., type: str, default: ""}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Write a file
  testbed_files:
    files:
      - {dest: /srv/testbed/env/remote/config/redis.conf, content: "port 6379\n", mode: "0600"}
"""

RETURN = r"""
files: {description: What changed., type: list, returned: always}
fingerprint: {description: "Of the files that match, as launch.py takes it.", type: str, returned: with a pattern}
found: {description: "Per changed file the mode it had, and whether its content was another.", type: dict, returned: always}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True},
            "pattern": {"type": "str", "default": ""},
        },
        no_log=True,  # contents may be secrets: nothing of this call goes to the host's system log
        supports_check_mode=True,
    )
    if module.params["pattern"]:
        from runners.environment.host.launch import fingerprint

        module.exit_json(changed=False, fingerprint=fingerprint([module.params["pattern"]]))
    from runners.lib.files import write_text

    found = {}
    for item in module.params["files"]:
        dest, content = Path(item["dest"]), item.get("content")
        there = dest.is_file()
        mode = int(str(item.get("mode", "0600")), 8)
        before = dest.stat().st_mode & 0o777 if there else None
        same = there and content is not None and dest.read_text() == content
        if (content is None and not there) or (same and before == mode):
            continue
        found[str(dest)] = {"mode": before, "content": not same}
        if module.check_mode:
            continue
        if content is None:
            dest.unlink()
        else:
            write_text(dest, content, mode=mode, owner=item.get("owner"))
    module.exit_json(changed=bool(found), files=list(found), found=found)


if __name__ == "__main__":
    main()
