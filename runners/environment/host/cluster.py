"""A PostgreSQL data directory: made whole or not at all, and taken away with what it left in the kernel."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from runners.environment.host.processes import remove_shared_memory, shared_memory_of

INCLUDE = "include = 'testbed.conf'"


class InitFailed(Exception):
    """initdb ended with an error."""


def create(cluster: Path, binaries: Path, password_file: Path, account: pwd.struct_passwd | None) -> bool:
    """initdb with SCRAM passwords and the superuser `postgres`; False when the cluster exists. Raises InitFailed.

    It is made beside its place and renamed, so that an initdb that was killed leaves nothing that looks like a cluster.
    """
    if (cluster / "PG_VERSION").exists():
        return False
    draft = cluster.with_name(cluster.name + ".new")
    password = draft.with_name(draft.name + ".password")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        fd = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(password_file.read_bytes())
        if account is not None:
            for path in (draft, password):
                os.chown(path, account.pw_uid, account.pw_gid)
        done = subprocess.run(
            [
                binaries / "initdb", f"--pgdata={draft}", "--username=postgres", "--auth=scram-sha-256",
                f"--pwfile={password}", "--encoding=UTF8", "--no-locale", "--no-sync",
            ],
            check=False, capture_output=True, text=True, cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | _paths(),
            user=None if account is None else account.pw_uid, group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else [],
        )  # fmt: skip
        if done.returncode != 0:
            raise InitFailed((done.stderr or done.stdout).strip())
    finally:
        password.unlink(missing_ok=True)
    with (draft / "postgresql.conf").open("a") as file:
        file.write(f"\n{INCLUDE}\n")
    draft.rename(cluster)
    return True


def _paths() -> dict[str, str]:
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TZ") if name in os.environ}


def remove(cluster: Path) -> bool:
    """Remove the data and the shared memory of servers that were killed on it; False when there was nothing.

    No server may run on it any more.
    """
    segment = shared_memory_of(cluster)
    if segment is not None:
        remove_shared_memory([segment])
    drafts = [cluster, cluster.with_name(cluster.name + ".new"), cluster.with_name(cluster.name + ".new.password")]
    found = [path for path in drafts if path.exists()]
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return bool(found)
