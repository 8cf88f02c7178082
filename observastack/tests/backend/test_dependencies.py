"""Dependencies that die, hang and come back: honest answers at once, recovery without help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from redis import Redis

from observastack import config as configuration
from observastack.tests.backend.serving import Backend, Store, backend, until
from observastack.tests.platform import build_platform
from tests.servers import free_port, postgres_server, redis_binary, redis_server


class Server:
    """A running server process that can be killed and started again as it was."""

    def __init__(self, pid: int, arguments: list[str] | None = None) -> None:
        self.pid = pid
        found = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        # Redis overwrites its command line, so its own is given.
        self.command = found if arguments is None else arguments
        self.folder = Path(f"/proc/{pid}/cwd").readlink()
        self.user = Path(f"/proc/{pid}").stat().st_uid
        self.again: subprocess.Popen[bytes] | None = None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)
        if number == signal.SIGKILL:
            os.waitpid(self.pid, 0)  # as a zombie it would still hold PostgreSQL's lock file

    def start(self) -> None:
        self.again = subprocess.Popen(
            self.command, cwd=self.folder, user=self.user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.pid = self.again.pid

    def stop(self) -> None:
        if self.again is not None:
            self.again.send_signal(signal.SIGINT)
            self.again.wait(20)


class Platform:
    def __init__(self, running: Backend, postgres: Server, redis: Server) -> None:
        self.running, self.postgres, self.redis = running, postgres, redis


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of its own, whose servers may be killed."""
    folder = tmp_path_factory.mktemp("fragile")
    with ExitStack() as stack:
        database, cache = stack.enter_context(postgres_server()), stack.enter_context(redis_server())
        config = build_platform(folder, database, cache)
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
            assert row is not None
        postgres = Server(int(row[0].splitlines()[0]))
        port = urlsplit(cache).port or 0
        arguments = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        redis = Server(int(Redis(port=port).info("server")["process_id"]), arguments)
        stack.callback(postgres.stop)
        stack.callback(redis.stop)
        running = stack.enter_context(backend(config, folder))
        store = Store(config)
        store.logs("acme", [{"ts": time.time_ns(), "body": "before"}])
        store.close()
        for username in ("acme-viewer", "acme-analyst", "platform-admin"):
            running.token(username)
        yield Platform(running, postgres, redis)


def ready(running: Backend) -> dict[str, bool]:
    answer = running.get(None, "/health/ready")
    found = {one["name"]: one["ready"] for one in answer.json()["dependencies"]}
    assert answer.status_code == (200 if all(found.values()) else 503)
    return found


def well(running: Backend) -> bool:
    return all(ready(running).values()) and running.post("acme-viewer", "/search", {"type": "logs"}).status_code == 200


def seconds(running: Backend, path: str, body: object) -> tuple[int, float]:
    started = time.perf_counter()
    answer = running.post("acme-viewer", path, body)
    return answer.status_code, time.perf_counter() - started


def test_redis_killed(platform: Platform) -> None:
    running = platform.running
    until(lambda: well(running), "all is well")
    platform.redis.send(signal.SIGKILL)
    until(lambda: ready(running) == {"postgres": True, "redis": False}, "readiness says which one is down", 5)
    # Whether the token was revoked cannot be asked: nobody gets in.
    answer = running.get("acme-viewer", "/auth/me")
    assert answer.status_code == 503
    assert answer.json()["error"]["details"] == [{"dependency": "redis"}]
    assert running.get(None, "/health/live").status_code == 200
    platform.redis.start()
    took = until(lambda: well(running), "it recovers by itself")
    assert took < 5


def test_postgres_killed(platform: Platform) -> None:
    running = platform.running
    until(lambda: well(running), "all is well")
    platform.postgres.send(signal.SIGKILL)
    until(lambda: ready(running) == {"postgres": False, "redis": True}, "readiness says which one is down", 5)
    for path, body in (
        ("/search", {"type": "all"}),
        ("/metrics/query", {"query": "up"}),
        ("/traces/search", {}),
        ("/auth/login", {"username": "acme-viewer", "password": "x"}),
    ):
        status, took = seconds(running, path, body)
        assert status == 503, path
        assert took < 4, path
    exported = running.post("acme-analyst", "/search/export", {})
    assert exported.status_code == 503
    assert "Traceback" not in exported.text
    assert running.get("acme-viewer", "/auth/me").status_code == 200  # needs Redis only

    def started() -> bool:
        platform.postgres.start()
        assert platform.postgres.again is not None
        try:  # refuses while processes of the killed one still hold its memory
            platform.postgres.again.wait(1)
        except subprocess.TimeoutExpired:
            return True
        return False

    until(started, "PostgreSQL starts again")
    until(lambda: well(running), "it recovers by itself", 30)
    assert running.login("acme-viewer").status_code == 200


def test_postgres_stopped_but_not_dead(platform: Platform) -> None:
    """A stopped server accepts connections and says nothing: only time limits help."""
    running = platform.running
    until(lambda: well(running), "all is well")
    stopped = [platform.postgres.pid, *_children(platform.postgres.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.perf_counter()
        assert ready(running) == {"postgres": False, "redis": True}
        assert time.perf_counter() - started < 2
        status, took = seconds(running, "/search", {"type": "logs"})
        assert status == 503
        assert took < 8
        assert running.get(None, "/health/live").status_code == 200
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    until(lambda: well(running), "it recovers by itself", 30)


def test_redis_stopped_but_not_dead(platform: Platform) -> None:
    running = platform.running
    until(lambda: well(running), "all is well")
    platform.redis.send(signal.SIGSTOP)
    try:
        assert ready(running) == {"postgres": True, "redis": False}
        status, took = seconds(running, "/search", {"type": "logs"})
        assert status == 503
        assert took < 5
    finally:
        platform.redis.send(signal.SIGCONT)
    until(lambda: well(running), "it recovers by itself")


def test_a_stream_cut_short_has_no_last_line(platform: Platform) -> None:
    running = platform.running
    until(lambda: well(running), "all is well")
    store = Store(running.config)
    store.logs("acme", [{"ts": time.time_ns(), "body": "z" * 3000} for _ in range(20_000)])
    headers = {"Authorization": f"Bearer {running.token('acme-analyst')}"}
    lines = 0
    export = running.client.stream("POST", "/api/v1/search/export", json={"type": "logs"}, headers=headers)
    with pytest.raises(httpx.RemoteProtocolError), export as stream:
        for line in stream.iter_lines():
            lines += 1
            assert '"end":true' not in line
            if lines == 1:
                assert store.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'FETCH%'")
    store.close()
    assert 0 < lines < 20_000


def test_the_backend_starts_while_everything_is_down(platform: Platform, tmp_path: Path) -> None:
    document = json.loads(platform.running.config.file.read_text())
    document["database"]["port"], document["redis"]["port"], document["backend"]["port"] = (
        free_port() for _ in range(3)
    )
    file = tmp_path / "observastack.json"
    file.write_text(json.dumps(document))
    config = configuration.load(file, environ={})
    with backend(config, tmp_path) as running:
        assert ready(running) == {"postgres": False, "redis": False}
        assert running.login("acme-viewer").status_code == 503


def test_a_latency_fault_ends_at_the_time_limit_of_the_source(platform: Platform) -> None:
    running = platform.running
    until(lambda: well(running), "all is well")
    fault = {"source": "logs", "latency_ms": 30_000, "ttl_s": 60}
    assert running.post("platform-admin", "/test-data/faults", fault).status_code == 200
    try:
        started = time.perf_counter()
        page = running.post("acme-viewer", "/search", {"type": "all"}).json()
        assert time.perf_counter() - started < 8
    finally:
        running.post("platform-admin", "/test-data/faults", {"source": "logs"})
    assert page["partial"] is True
    assert page["stats"]["sources"]["logs"]["status"] == "timeout"
    assert page["stats"]["sources"]["traces"]["status"] == "ok"


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
