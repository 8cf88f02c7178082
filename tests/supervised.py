"""A small environment for tests: a real supervisord with small real services, described by a state.json like any other.

Services: `ingest` (an HTTP server with a child process, which stores what is posted), `redis` (no children, slow to
start) and `shy` (has not opted in to chaos).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.lib import proc
from runners.lib.home import Environment, Home
from tests.servers import free_port

_SERVICE = r"""
import http.server, json, os, subprocess, sys, threading, time
port, name, children, delay, store = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
time.sleep(delay)  # a service that needs its time to start
CHILD = ("import ctypes, os, signal, time; ctypes.CDLL(None).prctl(1, 9); "
         "os.getppid() == %d or os._exit(0); time.sleep(3600)")
for _ in range(children):
    subprocess.Popen([sys.executable, "-S", "-E", "-c", CHILD % os.getpid()])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def _answer(self, status, body=b"{}"):
        self.send_response(status); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self._answer(200 if self.path.startswith("/health") else 404)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(store, "ab") as file:
            file.write(body.replace(b"\n", b" ") + b"\n")
        self._answer(200)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
Server(("127.0.0.1", port), Handler).serve_forever()
"""

_TARGET = """\
target: {name: stand, allow: {writes: true, chaos: [process]}}
urls: {api: "{{ urls.api }}", ingest: "{{ urls.ingest }}"}
auth: {flow: static_token}
operations: {}
required: []
"""


@dataclass(frozen=True)
class Supervised:
    """home, environment: as the product sees them; pid: of supervisord; ports: by service; stored: what was posted."""

    home: Home
    environment: Environment
    env_id: str
    pid: int
    ports: dict[str, int]
    stored: Path

    @property
    def journal(self) -> Path:
        return self.environment.journal

    def main_pid(self, service: str) -> int | None:
        """Found in /proc, not asked of supervisord."""
        mark = f"SUPERVISOR_PROCESS_NAME={service}".encode()
        for pid in proc.pids():
            found = proc.stat(pid)
            if found is not None and found.parent == self.pid and found.alive and mark in proc.environ(pid):
                return pid
        return None

    def snapshot(self) -> dict[str, Any]:
        """What an onlooker sees of each service: number of processes, how many are stopped, does the port answer."""
        picture: dict[str, Any] = {}
        for service, port in self.ports.items():
            main = self.main_pid(service)
            pids = [] if main is None else [main, *proc.descendants(main)]
            states = [found.state for pid in pids if (found := proc.stat(pid)) is not None]
            picture[service] = {"processes": len(pids), "stopped": states.count("T"), "answers": answers(port)}
        return picture

    def wait_clean(self, expected: dict[str, Any], patience_s: float = 15.0) -> float:
        """Seconds until the snapshot equals `expected`. Raises AssertionError with the difference."""
        begun = time.monotonic()
        while (now := self.snapshot()) != expected:
            assert time.monotonic() - begun < patience_s, f"not clean: {now} instead of {expected}"
            time.sleep(0.02)
        return time.monotonic() - begun


def answers(port: int) -> bool:
    """An HTTP answer of any status within half a second."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def supervised(root: Path, *, unix: bool = True) -> Iterator[Supervised]:
    """Start it below `root`; everything is killed afterwards."""
    home = Home(root / "home")
    home.create()
    environment = home.env("local")
    for folder in (environment.root, environment.secrets, environment.logs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    env_id, stored = str(uuid.uuid4()), root / "stored.ndjson"
    password = environment.secrets / "supervisor_password"
    password.write_text("s3cret")
    script = root / "service.py"
    script.write_text(_SERVICE)
    ports = {name: free_port() for name in ("ingest", "redis", "shy")}
    url, server = _server(environment, unix)
    programs = "".join(
        f"[program:{name}]\ncommand={sys.executable} -S -E {script} {port} {name} "
        f"{2 if name == 'ingest' else 0} {0.4 if name == 'redis' else 0} {stored}\n"
        "autorestart=true\nstartsecs=0\nstopwaitsecs=3\nstopasgroup=false\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
        for name, port in ports.items()
    )
    config = environment.root / "supervisord.conf"
    config.write_text(
        f"{server}username=testbed\npassword=s3cret\n"
        f"[supervisord]\nnodaemon=true\nlogfile={environment.logs}/supervisord.log\npidfile={environment.root}/pid\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n" + programs
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
        env=os.environ | {"TESTBED_ENV_ID": env_id}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd=environment.root,
    )  # fmt: skip
    found = Supervised(home, environment, env_id, process.pid, ports, stored)
    try:
        _write_state(found, url, password)
        deadline = time.monotonic() + 30
        while not all(answers(port) for port in ports.values()):
            assert time.monotonic() < deadline, "the services did not start"
            assert process.poll() is None, "supervisord did not start"
            time.sleep(0.05)
        yield found
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        proc.sweep("TESTBED_ENV_ID", env_id)


def _server(environment: Environment, unix: bool) -> tuple[str, str]:
    if unix:
        # supervisord binds the path as it is: 107 bytes at most, so below the folder it runs in.
        return f"unix://{environment.root}/s.sock", "[unix_http_server]\nfile=s.sock\nchmod=0600\n"
    port = free_port()
    return f"http://127.0.0.1:{port}", f"[inet_http_server]\nport=127.0.0.1:{port}\n"


def _write_state(found: Supervised, url: str, password: Path) -> None:
    start = proc.stat(found.pid)
    assert start is not None
    services = [
        {
            "name": name, "implementation": "reference", "port": port, "url": f"http://127.0.0.1:{port}",
            "requires": [], "program": name,
            "health": {"type": "http", "url": f"http://127.0.0.1:{port}/health/live"},
            "chaos": {"allowed": name != "shy", "faults": ["kill", "stop", "pause", "restart"]},
        }
        for name, port in found.ports.items()
    ]  # fmt: skip
    target = found.home.root.parent / "target.yml"
    target.write_text(_TARGET)
    user = {"username": "acme-agent", "tenant": "acme", "roles": ["agent"], "token": "t0ken"}
    found.environment.identities.write_text(json.dumps({"tenants": [{"id": "acme"}], "users": [user]}))
    ingest = f"http://127.0.0.1:{found.ports['ingest']}"
    state = {
        "v": 1, "environment": "local", "kind": "local", "state": "ready", "env_id": found.env_id,
        "urls": {"api": ingest, "ingest": ingest}, "services": services, "target_file": str(target),
        "supervisor": {
            "url": url, "username": "testbed", "password_file": str(password), "pid": found.pid, "start": start.start,
        },
    }  # fmt: skip
    found.environment.state.write_text(json.dumps(state))
