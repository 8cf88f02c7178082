"""The prober keeps its cadence whatever becomes of its attempts."""

import itertools
import socket
import time

from runners.lib.ids import new_run_id
from runners.probes import HealthRequest, Prober, WriteRequest
from runners.target import open_target
from tests.servers import free_port
from tests.supervised import Supervised


def collect(request: HealthRequest | WriteRequest, seconds: float, timeout_s: float = 1.0) -> list:
    prober = Prober(request, timeout_s=timeout_s)
    prober.start()
    time.sleep(seconds)  # the length of the observation itself
    prober.stop()
    return list(prober.attempts())


def test_writes_reach_the_service_at_the_cadence(stand: Supervised) -> None:
    run = new_run_id()
    with open_target(stand.environment) as target:
        request = WriteRequest(target.urls["ingest"], run, target.identity("acme", "agent"), target.tokens)
        attempts = collect(request, 2.0)
    assert all(attempt.outcome == "ok" for attempt in attempts)
    assert 20 <= len(attempts) <= 41  # 40 at an idle machine; a busy one may skip beats, never add any
    stored = [line for line in stand.stored.read_bytes().splitlines() if run.encode() in line]
    assert len(stored) == len(attempts)


def test_silence_does_not_slow_it_down() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:  # connects, never answers
        attempts = collect(HealthRequest(f"http://127.0.0.1:{silent.getsockname()[1]}/"), 1.5, timeout_s=0.5)
    assert len(attempts) >= 15
    assert all(attempt.outcome == "failed" and 0.45 <= attempt.latency_s < 1.5 for attempt in attempts)
    gaps = [later.started - earlier.started for earlier, later in itertools.pairwise(attempts)]
    assert sorted(gaps)[len(gaps) // 2] < 0.1


def test_a_closed_port_is_known_at_once() -> None:
    attempts = collect(HealthRequest(f"http://127.0.0.1:{free_port()}/"), 0.5)
    assert attempts and all(attempt.outcome == "failed" and attempt.latency_s < 0.4 for attempt in attempts)


def test_what_is_under_way_hides_what_came_after_it() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        prober = Prober(HealthRequest(f"http://127.0.0.1:{silent.getsockname()[1]}/"), timeout_s=5)
        prober.start()
        time.sleep(0.3)
        assert list(prober.attempts()) == [] and prober.drain() == []
        prober._stop.set()
