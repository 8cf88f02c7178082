"""A container engine for tests: one that answers as a real one does, in this process, or the machine's own where it runs.

Both hold one container of one environment, described by a state.json like any other, so that the same tests say of the
real engine that the other is like it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socketserver
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import pytest

from runners.lib.files import write_json
from runners.lib.home import Environment, Home

BASE_IMAGE = "testbed-base:bookworm"
_SLEEP = "import signal, time; signal.signal(15, lambda *_: exit(0)); time.sleep(3600)"
_DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"


class Stand(Protocol):
    """One environment with one service, `ingest`, in a container."""

    home: Home
    environment: Environment
    env_id: str

    def status(self) -> str:
        """created running paused exited …, as the engine itself says it."""

    def container(self) -> str: ...


@dataclass
class FakeStand:
    """state: of the container; slow_s: how long an order waits before it has an effect."""

    home: Home
    environment: Environment
    env_id: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex * 2)
    state: str = "running"
    started: int = 1
    exit_code: int = 0
    gone: bool = False
    slow_s: float = 0.0
    orders: list[str] = field(default_factory=list)
    carried_out: int = 0

    def status(self) -> str:
        return self.state

    def container(self) -> str:
        return self.id

    def order(self, what: str) -> int:
        """The status of the engine's answer."""
        self.orders.append(what)
        time.sleep(self.slow_s)
        running = self.state in ("running", "paused")
        if what == "kill":
            if not running:
                return 409
            self.state, self.exit_code = "exited", 137
        elif what == "stop":
            if not running:
                return 304
            self.state, self.exit_code = "exited", 0
        elif what == "pause":
            if self.state != "running":
                return 409
            self.state = "paused"
        elif what == "unpause":
            if self.state != "paused":
                return 500
            self.state = "running"
        elif what in ("start", "restart"):
            if what == "start" and running:
                return 304
            self.state, self.exit_code, self.started = "running", 0, self.started + 1
        return 204

    def inspected(self) -> dict[str, Any]:
        return {
            "Id": self.id, "Config": {"Labels": self.labels()},
            "State": {
                "Status": self.state, "ExitCode": self.exit_code, "Pid": 7 if self.state == "running" else 0,
                "StartedAt": f"2026-01-01T00:00:{self.started:02}Z", "FinishedAt": "2026-01-01T00:00:00Z",
            },
        }  # fmt: skip

    def labels(self) -> dict[str, str]:
        return {"testbed.env_id": self.env_id, "com.docker.compose.service": "ingest"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        stand: FakeStand = self.server.stand
        if self.path == "/_ping":
            self._answer(200, b"OK")
        elif self.path.startswith("/containers/json"):
            query = parse_qs(urlsplit(self.path).query)
            asked = set(json.loads(query["filters"][0])["label"])
            there = not stand.gone and asked <= {f"{name}={value}" for name, value in stand.labels().items()}
            found = [{"Id": stand.id, "Labels": stand.labels()}] if there else []
            self._answer(200, json.dumps(found).encode())
        elif stand.gone or self.path != f"/containers/{stand.id}/json":
            self._answer(404, b'{"message": "No such container"}')
        else:
            self._answer(200, json.dumps(stand.inspected()).encode())

    def do_POST(self) -> None:
        stand: FakeStand = self.server.stand
        match = re.fullmatch(rf"/containers/{stand.id}/(\w+)(\?.*)?", self.path)
        if match is None or stand.gone:
            self._answer(404, b'{"message": "No such container"}')
            return
        code = stand.order(match[1])
        stand.carried_out += 1
        self._answer(code, b'{"message": "it is not in that state"}' if code >= 400 else b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if status not in (204, 304) else b"")

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None: ...


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    stand: FakeStand


def described(folder: Path, url: str, env_id: str) -> Home:
    """A home with the environment `box`, whose one service is in a container of the engine at this address."""
    home = Home(folder / "home")
    environment = home.env("box")
    environment.journal.mkdir(parents=True)
    service = {
        "name": "ingest", "program": "ingest", "health": {"kind": "container"}, "requires": [], "implementation": "real",
        "chaos": {"allowed": True, "faults": ["kill", "stop", "pause", "restart"]}, "job": False,
    }  # fmt: skip
    shy = service | {"name": "shy", "program": "shy", "chaos": {"allowed": False}}
    write_json(
        environment.state,
        {
            "environment": "box", "kind": "compose", "state": "ready", "env_id": env_id, "services": [service, shy],
            "engine": {"url": url, "id": "x", "project": f"testbed-box-{env_id[:8]}"}, "supervisor": None,
        },
    )  # fmt: skip
    return home


@contextlib.contextmanager
def fake(folder: Path) -> Iterator[FakeStand]:
    """An engine in this process, on a socket in `folder` (of a short path: sun_path holds 107 bytes)."""
    env_id = str(uuid.uuid4())
    path = folder / "e.sock"
    home = described(folder, f"unix://{path}", env_id)
    server = _Server(str(path), _Handler)
    server.stand = FakeStand(home, home.env("box"), env_id)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.stand
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def engine() -> Any:
    """A client of the machine's own engine; skips the test with the reason where there is none, or no base image."""
    from docker.errors import ImageNotFound

    from runners.environment.containers import engine as engines
    from runners.lib.errors import NotReady

    try:
        client = engines.connect(timeout_s=20)
        client.images.get(BASE_IMAGE)
    except NotReady as error:
        pytest.skip(f"needs a container engine: {error.what}")
    except ImageNotFound:
        pytest.skip(f"needs the image {BASE_IMAGE} on this machine's engine")
    return client


@dataclass
class RealStand:
    home: Home
    environment: Environment
    env_id: str
    made: Any

    def status(self) -> str:
        self.made.reload()
        return str(self.made.status)

    def container(self) -> str:
        return str(self.made.id)


@contextlib.contextmanager
def real(folder: Path, *, deaf: bool = False) -> Iterator[RealStand]:
    """A container of the machine's own engine, which is gone afterwards. deaf: it does not end when it is told to."""
    client = engine()
    env_id = str(uuid.uuid4())
    home = described(folder, os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock", env_id)
    labels = {"testbed.env_id": env_id, "com.docker.compose.service": "ingest"}
    made = client.containers.run(
        BASE_IMAGE, ["python3", "-c", _DEAF if deaf else _SLEEP], detach=True, labels=labels, restart_policy={"Name": "unless-stopped"},
        network_mode="none",
    )  # fmt: skip
    try:
        yield RealStand(home, home.env("box"), env_id, made)
    finally:
        made.remove(force=True)
