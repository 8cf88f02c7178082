"""A PostgreSQL data directory: made whole or not at all, and taken away with what it left in the kernel."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

from runners.environment.host.processes import in_use, remove_shared_memory, segments_of

INCLUDE = "include = 'testbed.conf'"
INITIAL = "testbed.initial"  # who may log in, and settings: as they were made, so that an edited one is mended
STAMP = "testbed.password"  # the hash of the superuser's password as last set, beside PostgreSQL's own files
SCRAM_ITERATIONS = 4096


class InitFailed(Exception):
    """initdb, or the server in single-user mode, ended with an error."""


def exists(cluster: Path) -> bool:
    return (cluster / "PG_VERSION").exists()


def knows(cluster: Path, password_file: Path) -> bool:
    """Is the superuser's password the one in the file? A cluster that says nothing was made with it."""
    stamp = cluster / STAMP
    return not stamp.exists() or stamp.read_text() == _stamp(password_file)


def set_password(cluster: Path, binaries: Path, password_file: Path, account: pwd.struct_passwd | None) -> None:
    """Give the superuser the password in the file, with no server running and the old one forgotten. Raises InitFailed.

    Single-user mode asks for no password; what it reads is the hash, so that no log can have the password.
    """
    verifier = scram_verifier(password_file.read_text().strip())
    done = subprocess.run(
        [binaries / "postgres", "--single", "-D", cluster, "-c", "log_statement=none", "postgres"],
        check=False, capture_output=True, text=True, cwd="/", env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | _paths(),
        input=f"ALTER ROLE postgres PASSWORD '{verifier}'\n", **_as(account),
    )  # fmt: skip
    if done.returncode != 0 or "ERROR" in done.stderr:
        raise InitFailed(f"postgres --single: {(done.stderr or done.stdout).strip()}")
    _write_stamp(cluster, password_file, account)


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password: SCRAM-SHA-256 of RFC 5803, for a password of ASCII characters."""
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    first, second, third = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{first}${second}:{third}"


def _stamp(password_file: Path) -> str:
    return hashlib.sha256(password_file.read_bytes().strip()).hexdigest() if password_file.exists() else ""


def _write_stamp(cluster: Path, password_file: Path, account: pwd.struct_passwd | None) -> None:
    _put(cluster / STAMP, _stamp(password_file).encode(), account)


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Arguments of subprocess.run to become this user."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def create(cluster: Path, binaries: Path, password_file: Path, account: pwd.struct_passwd | None) -> bool:
    """initdb with SCRAM passwords and the superuser `postgres`; False when the cluster exists as it was made, and nothing
    keeps a server from starting on it. Raises InitFailed.

    It is made beside its place and renamed, so that an initdb that was killed leaves nothing that looks like a cluster.
    """
    if exists(cluster):
        mended = edited(cluster)
        for name, content in mended.items():
            _put(cluster / name, content, account)
        return forget_lock(cluster) or bool(mended)
    draft = cluster.with_name(cluster.name + ".new")
    password = draft.with_name(draft.name + ".password")
    remove_shared_memory(segments_of(draft))  # of an initdb that was killed
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
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | _paths(), **_as(account),
        )  # fmt: skip
        if done.returncode != 0:
            raise InitFailed(f"initdb: {(done.stderr or done.stdout).strip()}")
    finally:
        password.unlink(missing_ok=True)
    with (draft / "postgresql.conf").open("a") as file:
        file.write(f"\n{INCLUDE}\n")
    initial = draft / INITIAL
    initial.mkdir(mode=0o700)
    if account is not None:  # a server that was killed looks through the whole of its folder
        os.chown(initial, account.pw_uid, account.pw_gid)
    for path in draft.glob("p*.conf"):
        _put(initial / path.name, path.read_bytes(), account)
    _write_stamp(draft, password_file, account)
    draft.rename(cluster)
    return True


def edited(cluster: Path) -> dict[str, bytes]:
    """Files of initdb (pg_hba.conf decides who may log in) that are other ones than they were made: their first content."""
    found = {}
    for path in sorted((cluster / INITIAL).glob("p*.conf")):
        content, own = path.read_bytes(), cluster / path.name
        if not own.is_file() or own.read_bytes() != content:
            found[path.name] = content
    return found


def _put(path: Path, content: bytes, account: pwd.struct_passwd | None) -> None:
    """The folder is PostgreSQL's, and this may be root: what lies there may be a link to somewhere else."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        if account is not None:
            os.fchown(fd, account.pw_uid, account.pw_gid)


def forget_lock(cluster: Path) -> bool:
    """Remove the pid file of a server that was killed, unless a server lives there; False when there was none.

    The pid may be another process of the same user by now, and PostgreSQL would refuse to start. A server that lives is
    attached to its shared memory.
    """
    lock = cluster / "postmaster.pid"
    segments = segments_of(cluster)
    if not lock.exists() or in_use(segments) or _lives(lock, cluster):
        return False
    remove_shared_memory(segments)
    lock.unlink()
    return True


def _lives(lock: Path, cluster: Path) -> bool:
    """Does the process that the pid file names work in this folder, as a server does (it changes into it)?"""
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        return Path(f"/proc/{pid}/cwd").resolve() == cluster.resolve()
    except (OSError, ValueError):
        return False


def _paths() -> dict[str, str]:
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TZ") if name in os.environ}


def remove(cluster: Path) -> bool:
    """Remove the data and the shared memory of servers that were killed on it; False when there was nothing.

    No server may run on it any more.
    """
    drafts = [cluster, cluster.with_name(cluster.name + ".new"), cluster.with_name(cluster.name + ".new.password")]
    remove_shared_memory({segment for path in drafts for segment in segments_of(path)})
    found = [path for path in drafts if path.exists()]
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return bool(found)
