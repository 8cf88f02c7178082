"""As whom PostgreSQL runs, and what that user can reach. PostgreSQL refuses root; nothing else needs another user."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

CANDIDATES = ("postgres", "nobody")


class NoAccount(Exception):
    """Root, and no unprivileged user exists on this machine."""


def unprivileged() -> pwd.struct_passwd | None:
    """The existing user to become, or None when this process is not root. Raises NoAccount."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoAccount(f"PostgreSQL does not run as root, and none of the users {', '.join(CANDIDATES)} exists")


def reaches(account: pwd.struct_passwd | None, folder: Path) -> bool:
    """Can this user enter the folder? Tried, not computed: a child becomes the user and looks."""
    return works_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])


def works_as(account: pwd.struct_passwd | None, command: list[str]) -> bool:
    """Does the command exit with 0 as this user?"""
    try:
        done = subprocess.run(
            command,
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else os.getgrouplist(account.pw_name, account.pw_gid), timeout=20,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0
