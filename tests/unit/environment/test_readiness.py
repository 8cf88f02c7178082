"""When to go on waiting for a service, and when to give up."""

import http.server
import itertools
import os
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runners.environment.host import readiness
from runners.environment.host.supervisor import BACKOFF, FATAL, RUNNING, Process
from tests.servers import free_port


class Supervisord:
    """Gives each look at the process table the next of the given states."""

    looks: Iterator[tuple[int, int]]
    started: list[str]

    def __init__(self, _facts: object) -> None:
        pass

    def start(self, name: str) -> bool:
        self.started.append(name)
        return True

    def processes(self) -> dict[str, Process]:
        code, pid = next(self.looks)
        return {"a": Process("a", code, pid, 0.0, "")}


@pytest.fixture
def supervisord(monkeypatch: pytest.MonkeyPatch) -> type[Supervisord]:
    monkeypatch.setattr(readiness, "Control", Supervisord)
    monkeypatch.setattr(readiness, "POLL_S", 0.001)
    Supervisord.started = []
    return Supervisord


def service(name: str = "a", requires: tuple[str, ...] = ()) -> dict[str, Any]:
    port = free_port()
    health = {"kind": "http", "url": f"http://127.0.0.1:{port}/"}
    return {"name": name, "program": name, "requires": requires, "health": health, "port": port}


def bring_up(*services: dict[str, Any], patience_s: float = 20.0) -> dict[str, readiness.Outcome]:
    return readiness.bring_up(services, {}, start=True, patience_s=patience_s)


def test_a_service_that_supervisord_gave_up_is_given_up(supervisord: type[Supervisord]) -> None:
    supervisord.looks = iter([(RUNNING, 1), (FATAL, 0)])
    assert "gave up" in str(bring_up(service())["a"].reason)


def test_a_service_that_lives_just_long_enough_to_count_as_running_is_given_up_too(
    supervisord: type[Supervisord],
) -> None:
    supervisord.looks = ((RUNNING, pid) for pid in itertools.count(1))
    assert "again and again" in str(bring_up(service())["a"].reason)


def test_a_slow_service_is_waited_for_until_the_patience_is_over(supervisord: type[Supervisord]) -> None:
    supervisord.looks = itertools.repeat((RUNNING, 1))
    outcome = bring_up(service(), patience_s=0.2)["a"]
    assert outcome.reason == "not ready in time: nothing listens on its port"
    assert outcome.seconds >= 0.15  # counted from the moment its thread began, a little after the patience


def test_what_requires_a_broken_service_is_not_even_started(supervisord: type[Supervisord]) -> None:
    supervisord.looks = itertools.repeat((FATAL, 0))
    outcomes = bring_up(service(), service("b", ("a",)))
    assert outcomes["b"].reason == "it requires a, which is not healthy"
    assert supervisord.started == ["a"]


def test_falling_back_for_some_seconds_is_enough(
    supervisord: type[Supervisord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "BACKOFF_PATIENCE_S", 0.05)
    supervisord.looks = itertools.repeat((BACKOFF, 0))
    assert "again and again" in str(bring_up(service())["a"].reason)


def test_another_program_that_answers_on_its_port_makes_no_service_healthy(supervisord: type[Supervisord]) -> None:
    """Its own process cannot listen there, and will end over that; meanwhile the other one says 200."""
    asked = service()
    idle = subprocess.Popen(["sleep", "60"])
    with http.server.ThreadingHTTPServer(("127.0.0.1", asked["port"]), Yes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        supervisord.looks = itertools.chain([(RUNNING, idle.pid)] * 3, itertools.repeat((FATAL, 0)))
        reason = str(bring_up(asked)["a"].reason)
        supervisord.looks = itertools.repeat((RUNNING, os.getpid()))
        own = bring_up(asked)["a"]
        server.shutdown()
    idle.kill()
    idle.wait()
    assert f"another program listens on its port {asked['port']}" in reason
    assert own.reason is None


class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""
