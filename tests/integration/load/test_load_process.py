"""The real load process against a small real server: what it sends is what it counts, and what it finds it names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.config import lookup
from runners.events import iter_points, split_series
from runners.lib.histogram import Histogram
from tests.integration.load.small_platform import TENANTS, SmallPlatform

LATENCIES = {"auth.login", "auth.refresh", "auth.me", "search.logs", "search.traces", "search.metrics", "traces.get", "metrics.query"}  # fmt: skip
Launch = Callable[..., "LoadProcess"]
QUICK = """\
load: quick
users: 6
spawn_rate: 60/s
think: {min: 20ms, max: 60ms}
roles: [viewer, analyst]
mix: {auth.login: 1, search.logs: 4, traces.get: 3, metrics.query: 3}
"""


class LoadProcess:
    """`python -m runners.load` with its events, as the shim would run it."""

    def __init__(self, home: Path, scenario: Path, **params: Any) -> None:
        self.folder = home / "runs" / "stage"
        self.folder.mkdir(parents=True)
        spec = {
            "v": 1, "id": "stage", "campaign_run": "c", "campaign": "c", "stage": "users", "suite": "load",
            "action": "run", "module": "runners.load", "home": str(home), "environment": "local", "seed": 7,
            "timeout_s": 60, "grace_s": 5, "stop_s": 3, "params": {"scenario": str(scenario), **params},
        }  # fmt: skip
        (self.folder / "spec.json").write_text(json.dumps(spec))
        read, write = os.pipe()
        self._output = (self.folder / "output").open("w+")
        self.events: list[dict[str, Any]] = []
        self.raw = b""
        self._changed = threading.Condition()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runners.load"],
            stdin=subprocess.PIPE, stdout=self._output, stderr=subprocess.STDOUT, pass_fds=(write,), text=True,
            env=os.environ | {"TESTBED_RUN_DIR": str(self.folder), "TESTBED_EVENTS_FD": str(write)},
        )  # fmt: skip
        os.close(write)
        self._reader = threading.Thread(target=self._read, args=(read,), daemon=True)
        self._reader.start()

    def _read(self, fd: int) -> None:
        with os.fdopen(fd, "rb") as stream:
            for line in stream:
                with self._changed:
                    self.raw += line
                    self.events.append(json.loads(line))
                    self._changed.notify_all()

    def wait_for(self, seen: Callable[[list[dict[str, Any]]], bool], patience_s: float = 20) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: seen(self.events), patience_s), [e["type"] for e in self.events]

    def wait_for_type(self, type_: str) -> None:
        self.wait_for(lambda events: any(event["type"] == type_ for event in events))

    def order(self, command: str, **args: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"cmd": command, "args": args}) + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for the end; the output must be empty, because nothing is said outside the events."""
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(5)
        assert self.process.stdin is not None
        self.process.stdin.close()
        return code

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    @property
    def told(self) -> str:
        """What explains an unexpected end."""
        shown = [event for event in self.events if event["type"] in ("log", "run.finished", "test.finished")]
        return self.output + "\n".join(json.dumps(event) for event in shown)

    def stop(self) -> int:
        self.order("stop")
        return self.end()

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type_]

    def series(self, name: str) -> list[Any]:
        return [v for event in self.of("metric.points") for series, _, v in iter_points(event) if series == name]

    def latencies(self) -> dict[tuple[str, str], Histogram]:
        found: dict[tuple[str, str], Histogram] = {}
        for event in self.of("metric.points"):
            for series, _, value in iter_points(event):
                name, labels = split_series(series)
                if name in LATENCIES:
                    found.setdefault((name, labels["tenant"]), Histogram()).merge(Histogram.from_json(value))
        return found

    def outcomes(self) -> dict[str, dict[str, Any]]:
        return {event["id"]: event for event in self.of("test.finished")}

    @property
    def verdict(self) -> dict[str, Any]:
        assert self.events[-1]["type"] == "run.finished"
        return self.events[-1]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts the load process of this test's home; it is gone when the test is."""
    started: list[LoadProcess] = []

    def start(scenario: Path, **params: Any) -> LoadProcess:
        started.append(LoadProcess(tmp_path, scenario, **params))
        return started[-1]

    yield start
    for load in started:
        if load.process.poll() is None:
            load.process.kill()
            load.process.wait()


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(QUICK)
    return path


def test_the_shipped_scenario_loads_and_counts_exactly_what_the_server_served(tmp_path: Path, launch: Launch) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        load = launch(lookup.find("scenarios", "browse"), duration_s=6)
        assert load.end() == 0, load.told
        assert load.output == ""
        counted = Counter({key: histogram.count for key, histogram in load.latencies().items()})
        assert counted == platform.counts

    assert load.verdict["verdict"] == "passed"
    plan = load.of("run.started")[0]["plan"]
    assert load.events[0]["type"] == "run.started"
    assert set(load.outcomes()) == set(plan)
    assert {"browse.auth.login", "browse.search.logs", "browse.traces.get", "browse.metrics.query"} < set(plan)
    assert all(event["outcome"] == "passed" for event in load.outcomes().values()), load.outcomes()
    assert {tenant for _, tenant in counted} == set(TENANTS)
    assert max(load.series("load.users")) == 24
    steady = load.of("phase")[0]["ts"]
    served = [
        v
        for event in load.of("metric.points")
        for series, t, v in iter_points(event)
        if series == "load.rate" and steady + 1 < t <= steady + 6
    ]
    assert len(served) >= 4
    assert sum(served) / len(served) >= 20
    assert sum(load.series("load.errors")) == 0
    assert steady - load.of("run.started")[0]["ts"] < 5


def test_a_leak_is_found_and_named(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        load = launch(scenario)
        load.wait_for_type("phase")
        platform.leak = "search.logs"
        before = platform.requests
        load.wait_for(lambda _: any("tenant leak: search.logs" in event["message"] for event in load.of("log")))
        while platform.requests < before + 100:
            time.sleep(0.02)
        assert load.stop() == 1, load.told

    assert load.verdict["verdict"] == "failed"
    outcomes = load.outcomes()
    assert outcomes["leak.search.logs"]["outcome"] == "failed"
    assert "search.logs showed" in outcomes["leak.search.logs"]["message"]
    assert [id_ for id_, event in outcomes.items() if event["outcome"] != "passed"] == ["leak.search.logs"]
    (finding,) = load.of("finding")
    assert (finding["kind"], finding["operation"]) == ("tenant_leak", "search.logs")
    assert finding["count"] == finding["leaked"] > 0
    assert len(finding["samples"]) <= 3
    assert finding["samples"][0]["request_id"].startswith("request-")


def test_a_session_of_the_wrong_tenant_is_a_leak_of_the_log_in(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        platform.leak = "auth.login"
        load = launch(scenario, duration_s=2)
        assert load.end() == 1, load.told
    assert load.outcomes()["leak.auth.login"]["outcome"] == "failed"


def test_a_wrong_answer_fails_its_operation(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        platform.stray = True
        load = launch(scenario, duration_s=2)
        assert load.end() == 1, load.told
    assert load.outcomes()["quick.search.logs"]["outcome"] == "failed"
    assert "item outside the time range" in load.outcomes()["quick.search.logs"]["message"]
    assert any(event["kind"] == "wrong_answer" for event in load.of("finding"))


def test_answers_that_do_not_say_whose_they_are_prove_nothing(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        platform.marks = False
        load = launch(scenario, duration_s=2)
        assert load.end() == 2, load.told
    assert load.verdict["verdict"] == "invalid"
    assert load.outcomes()["leak.search.logs"]["outcome"] == "invalid"
    assert "not assessed" in load.outcomes()["leak.search.logs"]["message"]
    assert load.outcomes()["quick.search.logs"]["outcome"] == "passed"


def test_tokens_are_refreshed_before_they_expire_and_after_a_401_and_never_told(
    tmp_path: Path, launch: Launch, scenario: Path
) -> None:
    scenario.write_text(QUICK.replace("auth.login: 1, ", ""))  # nobody logs in anew: tokens grow old
    with SmallPlatform(token_s=2) as platform:
        platform.environment(tmp_path)
        load = launch(scenario)
        load.wait_for_type("phase")
        while platform.by_operation()["auth.refresh"] < 6:  # before expiry: nobody was refused yet
            time.sleep(0.02)
        platform.expire_tokens()
        before = platform.requests
        while platform.requests < before + 100:
            time.sleep(0.02)
        platform.broken["search.logs"] = 500  # its answers quote the token that was sent
        while load.process.poll() is None and not any(sum(load.series("load.errors")) for _ in "x"):
            time.sleep(0.05)
        assert load.stop() == 0, load.told
        counted = Counter({key: histogram.count for key, histogram in load.latencies().items()})
        assert sum(counted.values()) == platform.requests

    assert any("refreshed after a 401" in event["message"] for event in load.outcomes().values())
    artifacts = "".join(path.read_text() for path in (load.folder / "artifacts").iterdir())
    assert "HTTP 500 broken" in artifacts
    told = load.raw.decode() + artifacts + load.output
    assert not [secret for secret in platform.secrets if secret in told]


def test_an_operation_that_never_succeeds_fails_its_test(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        platform.broken["traces.get"] = 503
        load = launch(scenario, duration_s=2)
        assert load.end() == 1, load.told
    assert load.outcomes()["quick.traces.get"]["outcome"] == "failed"
    assert "HTTP 503 broken" in load.outcomes()["quick.traces.get"]["message"]
    assert load.outcomes()["leak.traces.get"]["outcome"] == "invalid"
    errors = sum(histogram.errors for (name, _), histogram in load.latencies().items() if name == "traces.get")
    assert errors == sum(load.series("load.errors")) > 0


def test_users_and_rate_can_be_set_while_it_runs(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        load = launch(scenario)
        load.wait_for_type("phase")
        load.order("set", users=9, rate="30/s")
        load.wait_for(lambda _: 9 in load.series("load.users"))
        load.wait_for(lambda _: 30 in load.series("load.target_rate"))
        load.order("set", speed=1)
        load.wait_for(lambda _: any("refused" in event["message"] for event in load.of("log")))
        told = len(load.of("metric.points"))
        load.wait_for(lambda _: len(load.of("metric.points")) > told + 2)  # by then every tenant has asked everything
        assert load.stop() == 0, load.told
    assert any(event["message"] == "set users=9, rate=30/s" for event in load.of("log"))


def test_sigterm_ends_it_in_good_order(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        load = launch(scenario)
        load.wait_for(lambda _: len(load.of("metric.points")) >= 3)
        asked = time.monotonic()
        load.process.send_signal(signal.SIGTERM)
        assert load.end() == 0, load.told
        assert time.monotonic() - asked < 5
        assert sum(histogram.count for histogram in load.latencies().values()) == platform.requests
    assert load.verdict["verdict"] == "passed"


def test_a_platform_that_answers_nothing_does_not_hold_up_the_end(
    tmp_path: Path, launch: Launch, scenario: Path
) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        load = launch(scenario)
        load.wait_for_type("phase")
        load.wait_for(lambda _: len(load.of("metric.points")) >= 2)
        platform.open.clear()
        load.wait_for(lambda _: load.series("load.rate")[-1:] == [0])
        asked = time.monotonic()
        assert load.stop() in (0, 1, 2), load.told
        assert time.monotonic() - asked < 5
    assert any("given up without an answer, and not counted: 6" in event["message"] for event in load.of("log"))
    assert load.verdict["verdict"] in ("passed", "invalid")  # what had not been asked by then is not assessed


def test_a_crash_of_the_platform_costs_errors_not_the_run(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        load = launch(scenario)
        load.wait_for(lambda _: len(load.of("metric.points")) >= 2)
    load.wait_for(lambda _: sum(load.series("load.errors")) > 10)
    assert load.stop() == 0, load.told
    failures = json.loads((load.folder / "artifacts" / "failures.json").read_text())
    assert {item["kind"] for item in failures} <= {
        "ConnectionRefusedError",
        "ConnectionResetError",
        "HTTPConnectionClosed",
    }
    assert all(item["count"] >= len(item["samples"]) > 0 for item in failures)
    assert sum(item["count"] for item in failures) == sum(load.series("load.errors"))


def test_what_may_not_be_loaded_is_not_touched(tmp_path: Path, launch: Launch, scenario: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
        profile = tmp_path / "env" / "local" / "target.yml"
        profile.write_text(profile.read_text().replace("name: small", "name: small, production: true"))
        load = launch(scenario)
        assert load.end() == 2, load.told
        assert platform.requests == 0
    assert "in production" in load.verdict["reason"]
