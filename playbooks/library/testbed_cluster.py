#!/usr/bin/python
"""Create or remove a PostgreSQL data directory."""

from __future__ import annotations

import pwd
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: testbed_cluster
short_description: Create or remove the PostgreSQL data directory of an environment
description:
  - Creates it whole or not at all; gives the superuser the password of the file when that is another one now, and who may
    log in back as it was.
  - Removing it also removes the shared memory of servers that were killed, and the environment's folders outside its home.
options:
  environment: {description: Folder of the environment., type: path, required: true}
  state: {description: Whether it shall exist., type: str, choices: [present, absent], default: present}
  path: {description: The data directory, when present., type: path}
  binaries: {description: Folder of initdb, when present., type: path}
  password_file: {description: Password of the superuser, when present., type: path}
  account: {description: User to run as when this is root., type: str}
author: ObservaStack Testbed maintainers
"""

EXAMPLES = r"""
- name: Create the cluster
  testbed_cluster:
    environment: /srv/testbed/env/local
    path: /srv/testbed/env/local/data/postgres
    binaries: /usr/lib/postgresql/17/bin
    password_file: /srv/testbed/env/local/secrets/postgres_password
"""

RETURN = r"""
removed: {description: Folders that were removed., type: list, returned: when absent}
"""

PATIENCE_S = 5.0


def main():
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "path": {"type": "path"},
            "binaries": {"type": "path"},
            "password_file": {"type": "path", "no_log": False},
            "account": {"type": "str"},
        },
        supports_check_mode=True,
        required_if=[("state", "present", ("path", "binaries", "password_file"))],
    )
    from runners.environment.host import cluster, folders, processes
    from runners.lib.files import read_json
    from runners.lib.home import Environment

    given = module.params
    environment = Environment(Path(given["environment"]))
    if given["state"] == "absent":
        state = read_json(environment.state) or {}
        outside = folders.outside_folders(state)
        if module.check_mode:
            there = [path for path in (environment.data / "postgres", *outside) if path.exists()]
            module.exit_json(changed=bool(there), removed=[str(path) for path in there])
        found = [path for path in (environment.data, *outside) if cluster.remove(path / "postgres")]
        for path in outside:
            shutil.rmtree(path, ignore_errors=True)
        module.exit_json(changed=bool(found), removed=[str(path) for path in (*found, *outside)])
    account = pwd.getpwnam(given["account"]) if given["account"] else None
    path, password = Path(given["path"]), Path(given["password_file"])
    if module.check_mode:
        as_made = cluster.exists(path) and cluster.knows(path, password) and not cluster.edited(path)
        module.exit_json(changed=not as_made)
    try:
        made = cluster.create(path, Path(given["binaries"]), password, account)
        renewed = not cluster.knows(path, password)
        if renewed:  # its server cannot run with the right password now: whoever is there goes first
            processes.end_environment(read_json(environment.state) or {}, patience_s=PATIENCE_S)
            cluster.set_password(path, Path(given["binaries"]), password, account)
    except (cluster.InitFailed, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=made or renewed)


if __name__ == "__main__":
    main()
