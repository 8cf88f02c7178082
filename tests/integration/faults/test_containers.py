"""The kinds as they are done to containers: go in, are proved, go out; whoever dies, the container runs in the end.

Every test is said twice: of an engine in this process and, where there is one, of the machine's own.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.faults import injection, journal, recover, services
from runners.faults.audit import entries
from runners.faults.engine import Engine, EngineError
from runners.faults.injection import Injector
from runners.faults.kinds import Ineffective, Refused
from runners.faults.record import FaultRecord
from runners.lib import proc
from runners.lib.ids import new_run_id
from tests.engines import FakeStand, Stand, fake, real

KINDS = ("kill", "stop", "pause", "restart")
INJECTOR = Path(__file__).with_name("injector.py")


@pytest.fixture(params=["fake", "real"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    with fake(tmp_path) if request.param == "fake" else real(tmp_path) as found:
        yield found


@pytest.fixture
def faked(tmp_path: Path) -> Iterator[FakeStand]:
    with fake(tmp_path) as found:
        yield found


def injector_of(stand: Stand) -> Injector:
    return Injector(services.load(stand.environment), new_run_id())


@pytest.fixture
def injector(stand: Stand) -> Iterator[Injector]:
    made = injector_of(stand)
    yield made
    made.end_all()
    for pid in proc.carriers(proc.WATCHDOG_MARK, made.run):
        proc.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("fault", KINDS)
def test_a_fault_goes_in_shows_and_goes_out(stand: Stand, injector: Injector, fault: str) -> None:
    record = injector.inject(fault, "ingest", 20)
    assert record.state == "ACTIVE" and record.effect
    assert stand.status() == {"stop": "exited", "pause": "paused"}.get(fault, "running")
    ended = injector.end(record)
    assert (ended.state, ended.by, stand.status()) == ("REVERTED", "runner", "running")


def test_a_crash_starts_the_very_container_again(stand: Stand, injector: Injector) -> None:
    before = Engine(injector.stack.url).inspect(stand.container())
    record = injector.inject("kill", "ingest", 20)
    after = Engine(injector.stack.url).inspect(stand.container())
    assert after.id == before.id and after.started_at != before.started_at
    assert injector.healed(record)


def test_a_container_is_found_by_environment_and_service(stand: Stand) -> None:
    engine = Engine(services.load(stand.environment).url)
    assert engine.find(stand.env_id, "ingest") == stand.container()
    assert engine.find(stand.env_id, "redis") is None and engine.find("another", "ingest") is None


@pytest.mark.parametrize("what", ["kill", "start", "pause", "unpause", "stop"])
def test_an_order_may_be_given_twice(stand: Stand, what: str) -> None:
    engine = Engine(services.load(stand.environment).url)
    if what == "unpause":
        engine.do(stand.container(), "pause")
    engine.do(stand.container(), what)
    before = stand.status()
    engine.do(stand.container(), what)
    assert stand.status() == before
    engine.do(stand.container(), "start" if before == "exited" else "unpause")


def test_a_container_that_is_not_there_is_an_error_with_its_code(stand: Stand) -> None:
    with pytest.raises(EngineError) as error:
        Engine(services.load(stand.environment).url).inspect("no-such-container")
    assert error.value.code == 404


def test_what_is_paused_or_stopped_already_is_not_broken_again(stand: Stand, injector: Injector) -> None:
    engine = Engine(injector.stack.url)
    engine.do(stand.container(), "pause")
    with pytest.raises(Refused, match="paused already"):
        injector.inject("kill", "ingest", 20)
    engine.do(stand.container(), "unpause")
    engine.do(stand.container(), "stop", t=1)
    with pytest.raises(Refused, match="is exited"):
        injector.inject("pause", "ingest", 20)
    engine.do(stand.container(), "start")


def test_who_has_not_opted_in_is_refused(stand: Stand, injector: Injector) -> None:
    with pytest.raises(Refused, match="opted in"):
        injector.inject("kill", "shy", 20)


@pytest.mark.parametrize("moment", ["pre", "mid", "post"])
@pytest.mark.parametrize("fault", KINDS)
def test_the_injector_is_killed_and_the_watchdog_undoes_its_fault(stand: Stand, fault: str, moment: str) -> None:
    record = _killed(stand, fault, moment)
    _wait(lambda: _now(stand, record) == "REVERTED")
    found = journal.read(stand.environment.journal, record.id)
    assert found is not None and found.by == "watchdog" and stand.status() == "running"
    _wait(lambda: not journal.watched(stand.environment.journal, record.run))


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_both_are_killed_and_the_next_command_undoes_it(stand: Stand, fault: str) -> None:
    record = _killed(stand, fault, "post", watchdog=True)
    assert stand.status() != "running"
    (settled,) = recover.recover(stand.environment)
    assert (settled.id, settled.state, settled.by, stand.status()) == (record.id, "REVERTED", "recover", "running")


@pytest.mark.parametrize("fault", KINDS)
def test_an_order_that_was_on_its_way_when_the_injector_died_is_undone_too(faked: FakeStand, fault: str) -> None:
    """The engine takes its time, and carries it out whoever has gone; until then the container looks as if nothing were."""
    faked.slow_s = 1.0
    record = _killed(faked, fault, "sent")
    assert faked.status() == "running"
    _wait(lambda: _now(faked, record) == "REVERTED")
    _wait(lambda: 0 < faked.carried_out == len(faked.orders))
    assert faked.status() == "running" and (fault == "pause" or faked.started > 1)


def test_a_container_that_takes_its_time_to_end_is_started_again_when_it_has(tmp_path: Path) -> None:
    """Its injector is killed while the engine waits for it: it runs, and nothing shows that it is about to end."""
    with real(tmp_path, deaf=True) as stand:
        record = _killed(stand, "stop", "sent")
        before = Engine(record.access.url).inspect(stand.container()).started_at
        assert stand.status() == "running"
        _wait(lambda: _now(stand, record) == "REVERTED", 30)
        assert stand.status() == "running"
        assert Engine(record.access.url).inspect(stand.container()).started_at != before


def test_what_an_engine_left_dead_because_it_was_paused_runs_again(faked: FakeStand) -> None:
    """As engine 26 does with a paused container when it starts after a crash of its own, whatever the restart policy says."""
    injector = injector_of(faked)
    record = injector.inject("pause", "ingest", 20)
    faked.state = "exited"
    assert injector.end(record).state == "REVERTED" and faked.status() == "running"
    _end_watchdog(injector)


def test_an_engine_that_comes_back_finds_the_watchdog_waiting(faked: FakeStand) -> None:
    record = _killed(faked, "pause", "post", first=lambda: _away(faked))
    _wait(lambda: _now(faked, record) == "FAILED")
    _back(faked)
    _wait(lambda: _now(faked, record) == "REVERTED")
    found = journal.read(faked.environment.journal, record.id)
    assert found is not None and found.by == "watchdog" and faked.status() == "running"
    _wait(lambda: not journal.watched(faked.environment.journal, record.run))
    told = [item["result"] for item in entries(faked.home.chaos_audit) if item["action"] == "revert"]
    assert told == ["FAILED", "REVERTED"]


def test_a_container_that_was_replaced_meanwhile_leaves_nothing_to_undo(faked: FakeStand) -> None:
    injector = injector_of(faked)
    record = injector.inject("stop", "ingest", 20)
    faked.gone = True
    ended = injector.end(record)
    assert ended.state == "REVERTED" and ended.reason is not None and "gone" in ended.reason
    _end_watchdog(injector)


def test_an_engine_that_is_away_leaves_the_fault_open_for_whoever_comes_next(faked: FakeStand) -> None:
    injector = injector_of(faked)
    record = injector.inject("stop", "ingest", 20)
    _end_watchdog(injector)
    _away(faked)
    (settled,) = recover.recover(faked.environment)
    assert settled.state == "FAILED" and settled.reason is not None and "engine" in settled.reason
    _back(faked)
    (again,) = recover.recover(faked.environment)  # as every command does
    assert (again.id, again.state, faked.status()) == (record.id, "REVERTED", "running")


def test_an_engine_that_refuses_is_not_asked_by_every_command(
    faked: FakeStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    injector = injector_of(faked)
    injector.inject("stop", "ingest", 20)
    _end_watchdog(injector)
    monkeypatch.setattr(recover, "MAX_TRIES", 2)
    monkeypatch.setattr(faked, "order", lambda what: 500)
    (settled,) = recover.recover(faked.environment)
    assert settled.state == "FAILED" and recover.recover(faked.environment) == []
    monkeypatch.undo()
    (again,) = recover.recover(faked.environment, failed=True)
    assert (again.state, faked.status()) == ("REVERTED", "running")


def test_an_effect_that_does_not_show_is_an_error(faked: FakeStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faked, "order", lambda what: 204)
    injector = injector_of(faked)
    for fault in KINDS:
        with pytest.raises(Ineffective):
            injector.inject(fault, "ingest", 20)
    _end_watchdog(injector)


def test_a_record_of_a_container_survives_the_journal(faked: FakeStand) -> None:
    record = injection.plan(services.load(faked.environment), "run", "pause", "ingest", 20)
    journal.write(faked.environment.journal, record)
    assert journal.read(faked.environment.journal, record.id) == record
    assert record.guards.container is not None and record.guards.container.id == faked.id
    assert [item.describe("ingest") for item in (*record.inject, *record.revert)] == [
        "ask the engine to pause the container of ingest",
        "ask the engine to unpause the container of ingest if it is paused",
        "ask the engine to start the container of ingest unless it runs",
    ]


def _away(stand: FakeStand) -> None:
    sock = _socket(stand)
    sock.rename(sock.with_suffix(".away"))


def _back(stand: FakeStand) -> None:
    sock = _socket(stand)
    sock.with_suffix(".away").rename(sock)


def _socket(stand: FakeStand) -> Path:
    return Path(services.load(stand.environment).url.removeprefix("unix://"))


def _killed(
    stand: Stand, fault: str, moment: str, *, watchdog: bool = False, first: Callable[[], None] = lambda: None
) -> FaultRecord:
    """The fault of an injector that was killed at this moment, and its watchdog with it when asked. first: done before that."""
    root = str(Path(__file__).resolve().parents[3])
    process = subprocess.Popen(
        [sys.executable, INJECTOR, str(stand.home.root), fault, "ingest", "60", moment, "box"],
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": root},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], 30)[0], "the injector said nothing"
        assert process.stdout.readline().strip(), "the injector ended"
        (record,) = journal.open_entries(stand.environment.journal)
        if watchdog:
            for pid in proc.carriers(proc.WATCHDOG_MARK, record.run):
                proc.kill(pid, signal.SIGKILL)
        first()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if watchdog:
        _wait(lambda: not journal.watched(stand.environment.journal, record.run))
    return record


def _now(stand: Stand, record: FaultRecord) -> str | None:
    found = journal.read(stand.environment.journal, record.id)
    return None if found is None else found.state


def _end_watchdog(injector: Injector) -> None:
    for pid in proc.carriers(proc.WATCHDOG_MARK, injector.run):
        proc.kill(pid, signal.SIGKILL)
    _wait(lambda: not journal.watched(injector.stack.environment.journal, injector.run))


def _wait(condition: object, patience_s: float = 15.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
