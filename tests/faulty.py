"""Dependencies that can be killed, stopped, slowed down, or made to answer errors or noise, for drills and tests.

Each is a real server; the platform reaches it through a proxy on loopback that misbehaves on demand.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import httpx

from observastack.tests.stores import Server
from tests.servers import free_port, postgres_cluster, redis_binary

Mode = Literal["well", "slow", "error", "garbage"]
SLOW_S = 5.0
_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\nConnection: close\r\n\r\noops\n"


class Proxy:
    """TCP in the middle. well: passes on; slow: each answer waits 5 s; error: HTTP 500; garbage: random bytes."""

    def __init__(self, target: int) -> None:
        self.target, self.mode = target, "well"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def become(self, mode: Mode) -> None:
        """From now on. Connections that are open are cut, as they would be if the server had changed."""
        self.mode = mode
        self.cut()

    def cut(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        mode = self.mode
        with client, self._known(client), contextlib.suppress(OSError):
            if mode == "error":
                client.recv(65_536)
                client.sendall(_ERROR)
            elif mode == "garbage":
                client.recv(65_536)
                client.sendall(secrets.token_bytes(512))
            else:
                with socket.create_connection(("127.0.0.1", self.target), 5) as server, self._known(server):
                    back = threading.Thread(
                        target=_pump, args=(server, client, SLOW_S if mode == "slow" else 0.0), daemon=True
                    )
                    back.start()
                    _pump(client, server, 0.0)
                    back.join(SLOW_S + 1)

    @contextlib.contextmanager
    def _known(self, one: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(one)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(one)


def _pump(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
    try:
        while chunk := source.recv(65_536):
            if delay_s:
                time.sleep(delay_s)
            sink.sendall(chunk)
    except OSError:
        pass
    finally:
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Dependency:
    """A server process behind a proxy for each of its ports. answers: whether it serves."""

    def __init__(
        self, name: str, ports: Sequence[int], start: Callable[[], subprocess.Popen[bytes]], answers: Callable[[], bool]
    ) -> None:
        self.name, self._start, self._answers = name, start, answers
        self._proxies = [Proxy(port) for port in ports]
        self.ports = [proxy.port for proxy in self._proxies]
        self.process = start()
        self.wait()

    def wait(self, patience_s: float = 60) -> None:
        deadline = time.monotonic() + patience_s
        while not self._answers():
            assert time.monotonic() < deadline, f"{self.name} does not answer"
            time.sleep(0.05)

    def suffer(self, fault: str) -> None:
        """killed (SIGKILL), paused (SIGSTOP of all its processes), slow, error or garbage."""
        if fault == "killed":
            for number in family(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self.process.wait(10)
        elif fault == "paused":
            self._signal(signal.SIGSTOP)
        else:
            for proxy in self._proxies:
                proxy.become(fault)  # type: ignore[arg-type]  # the names of the modes

    def heal(self, fault: str) -> None:
        """The inverse; returns when the server itself answers again."""
        if fault == "killed":
            self.process = self._start()
        elif fault == "paused":
            self._signal(signal.SIGCONT)
        else:
            for proxy in self._proxies:
                proxy.become("well")
        self.wait()

    def close(self) -> None:
        for proxy in self._proxies:
            proxy.close()
        self._signal(signal.SIGCONT)
        for number in family(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait(10)

    def _signal(self, number: int) -> None:
        for pid in family(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def family(pid: int) -> list[int]:
    """The process and its descendants, the ancestors first."""
    found = [pid]
    for number in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{number}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


@contextlib.contextmanager
def postgres() -> Iterator[Dependency]:
    """PostgreSQL that survives kill -9 with its data. Raises FileNotFoundError."""
    with postgres_cluster() as cluster:

        def answers() -> bool:
            import psycopg

            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(cluster.url, connect_timeout=2) as connection,
            ):
                return connection.execute("SELECT 1").fetchone() == (1,)
            return False

        dependency = Dependency("postgres", [cluster.port], cluster.start, answers)
        try:
            yield dependency
        finally:
            dependency.close()


@contextlib.contextmanager
def redis() -> Iterator[Dependency]:
    """Redis without persistence. Raises FileNotFoundError."""
    binary, port = redis_binary(), free_port()
    folder = tempfile.mkdtemp(prefix="testbed-redis-")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

    dependency = Dependency("redis", [port], start, answers)
    try:
        yield dependency
    finally:
        dependency.close()
        shutil.rmtree(folder, ignore_errors=True)


_READY = {"loki": "/ready", "tempo": "/ready", "prometheus": "/-/ready"}


@contextlib.contextmanager
def wrapped(server: Server) -> Iterator[Dependency]:
    """A real store that runs already, behind proxies for its API and, of Tempo, its receiver."""
    ports = [int(server.url.rpartition(":")[2])] + ([int(server.otlp.rpartition(":")[2])] if server.otlp else [])

    def start() -> subprocess.Popen[bytes]:
        if server.process is None or server.process.poll() is not None:
            server.start()
        assert server.process is not None
        return server.process

    def answers() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(server.url + _READY[server.name], timeout=2, trust_env=False).status_code == 200
        return False

    dependency = Dependency(server.name, ports, start, answers)
    try:
        yield dependency
    finally:
        dependency.close()
