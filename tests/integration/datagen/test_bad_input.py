"""What a run cannot do is answered with a sentence, the right exit code, and nothing half-recorded."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.ledger.attempt import Outcome
from runners.ledger.reader import read_attempts
from tests.command import Testbed
from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.stage import SCENARIO, generate

ALIASES = "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9) if level else '1'}]\n" for level in range(10)
)
SILENT = "anomalies: [{{name: a, kind: silent, target: {{service: {}}}, at: {}, lasts: 1s}}]\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("60/s", "1G/s", ":7: tenant 'acme' would make 100,000,000 requests in the tick"),
        ("duration: 2s", "duration: 10000000d", ":3: a run of 864,000,000,000 s has 4,320,000,000,000 ticks"),
        ("metrics: {", "metrics: {series: 20000000, ", ":9: metrics.series is 20,000,000"),
        ("errors: 5%\n", "errors: 5%\n" + SILENT.format("chekout", "1s"), "did you mean 'checkout'"),
        ("errors: 5%\n", "errors: 5%\n" + SILENT.format("cart", "3s"), "after the end (2s)"),
        ("{id: globex}", "{id: acme}", ":5: tenant 'acme' is listed twice"),
        ("max_items: 200", "max_items: -1", ":10: delivery.max_items: Input should be greater than or equal to 1"),
        ("errors: 5%\n", "errors: 5%\n" + ALIASES, "more than 200,000 values, aliases written out"),
        ("tenants: [", "tenants: &them [*them, ", ":5: a value holds itself"),
        ("errors: 5%\n", f"question: {'[' * 3000}\n", "nested more deeply than can be read"),
        ("tenants: [{id: acme, weight: 2}, {id: globex}, {id: initech}]", "tenants: acme", ":5: tenants: a list is wanted here"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_named_with_its_line_and_nothing_is_begun(
    tmp_path: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: a dozen starts of Python would be most of the time."""
    from runners.cli.main import main

    assert old in SCENARIO
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO.replace(old, new, 1))
    for mode in ("--dry-run", "--sink=null:"):
        began = time.monotonic()
        assert main(["--home", str(tmp_path / "home"), "data", "generate", str(path), mode]) == 2
        told = capsys.readouterr()
        assert message in told.err and str(path) in told.err and "Traceback" not in told.err
        assert told.out == ""
        assert time.monotonic() - began < 5
    assert not list(tmp_path.glob("home/runs/*"))


def test_a_rate_that_cannot_be_made_ends_the_run_before_anything_is_sent(tmp_path: Path) -> None:
    stage = generate(tmp_path, SCENARIO.replace("60/s", "1G/s"), sink="null:")
    assert stage.end() == 2
    assert "200,000 can be made at once" in stage.of("run.finished")[-1]["reason"]
    assert not stage.ledger.exists()


def test_a_dry_run_says_when_this_machine_is_too_slow_for_the_volume(tmp_path: Path) -> None:
    path = tmp_path / "much.yaml"
    scenario = SCENARIO.replace("requests: 60/s", "volume: 70 TB/day").replace("duration: 2s", "duration: 200ms")
    path.write_text(scenario.replace("tick: 200ms", "tick: 100ms"))
    done = Testbed(tmp_path / "home").run("data", "generate", str(path), "--dry-run")
    assert "it will not keep the pace with 1 process" in done.stderr and "spans" in done.stdout
    assert "keep the pace" not in Testbed(tmp_path / "home").run("data", "generate", "drill", "--dry-run").stderr


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Testbed(tmp_path / "file").run("data", "generate", "drill", "--sink", "null:", code=2)
    assert "the state folder cannot be used" in done.stderr and "--home" in done.stderr


def test_a_sink_that_is_slower_than_the_scenario_is_said_while_running_and_at_the_end(tmp_path: Path) -> None:
    def slowly(_number: int) -> str:
        time.sleep(0.16)
        return "ok"

    scenario = SCENARIO.replace("max_items: 200", "max_items: 200, senders: 1, queue: 2").replace(
        "duration: 2s", "duration: 1s"
    )
    with serving(Platform(slowly)) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, scenario)
        assert stage.end() == 2
    end = stage.of("run.finished")[-1]
    assert end["verdict"] == "invalid"
    assert "the sink could not keep the pace" in end["reason"] and "items a second" in end["reason"]
    assert any("behind the schedule" in event["message"] for event in stage.of("log"))
    assert all(settled.outcome is Outcome.ACKED for _, settled in read_attempts(stage.ledger))


@contextlib.contextmanager
def babbling(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that takes connections and is no OTLP server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(0.2)
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def _ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    connection.recv(100)


def _noise(connection: socket.socket) -> None:
    connection.recv(100_000)
    connection.sendall(os.urandom(4_000))


def _teapot(connection: socket.socket) -> None:
    connection.recv(100_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n\xff")


@pytest.mark.parametrize("talk", [_ssh, _noise, _teapot])
def test_a_sink_that_answers_what_is_no_answer_has_acknowledged_nothing(
    tmp_path: Path, talk: Callable[[socket.socket], None]
) -> None:
    with babbling(talk) as url:
        environment(tmp_path, url)
        scenario = SCENARIO.replace("duration: 2s", "duration: 400ms").replace("give_up: 10s", "give_up: 1s")
        stage = generate(tmp_path, scenario)
        assert stage.end() == 1
    end = stage.of("run.finished")[-1]
    assert end["verdict"] == "failed" and "never acknowledged (last complaint:" in end["reason"]
    assert {settled.outcome for _, settled in read_attempts(stage.ledger)} <= {Outcome.UNKNOWN, Outcome.REFUSED}


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_under_the_ledger_ends_the_run_and_what_was_written_is_true(
    tmp_path: Path, tiny_disk: Path
) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SCENARIO.replace("max_items: 200", "max_items: 5"), ledger=str(tiny_disk / "ledger"))
        assert stage.end() == 2
        keys = {request["key"] for request in platform.requests}
    end = stage.of("run.finished")[-1]
    assert end["verdict"] == "invalid"
    assert "the ledger cannot be written" in end["reason"] and "disk" in end["reason"]
    rows = [attempt for attempt, _ in read_attempts(tiny_disk / "ledger")]
    assert 0 < len(keys) <= len(rows)  # a row comes before its request
