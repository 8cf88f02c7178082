"""Each kind against real services under a real supervisord: goes in, is proved, goes out, leaves nothing."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from runners.faults import audit, injection, journal, lever, recover, safety, services
from runners.faults.injection import Injector
from runners.faults.kinds import Refused
from runners.faults.safety import Limits
from runners.faults.supervisor import Supervisor
from runners.lib import locks, proc
from runners.lib.errors import Leased, NotReady
from runners.lib.ids import new_run_id
from tests.supervised import Supervised, answers, supervised

KINDS = ("kill", "stop", "pause", "restart")


@pytest.fixture
def injector(stand: Supervised):
    """An injector of its own run in this process; afterwards its faults are undone and its watchdog is ended."""
    made = Injector(services.load(stand.environment), new_run_id())
    yield made
    made.end_all()
    for pid in proc.carriers(proc.WATCHDOG_MARK, made.run):
        proc.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("fault", KINDS)
def test_a_fault_goes_in_shows_and_goes_out(stand: Supervised, injector: Injector, fault: str) -> None:
    before, old = stand.snapshot(), stand.main_pid("ingest")
    record = injector.inject(fault, "ingest", 20)
    assert record.state == "ACTIVE" and record.effect and record.injected_at is not None
    if fault == "pause":
        assert stand.snapshot()["ingest"] == {"processes": 3, "stopped": 3, "answers": False}
    elif fault == "stop":
        assert stand.snapshot()["ingest"] == {"processes": 0, "stopped": 0, "answers": False}
    else:
        assert stand.main_pid("ingest") != old
    ended = injector.end(record)
    assert (ended.state, ended.by) == ("REVERTED", "runner")
    assert ended.reverted_at is not None and ended.reverted_at > record.injected_at
    stand.wait_clean(before, 1.0)
    if fault != "pause":
        assert stand.main_pid("ingest") != old


def test_over_tcp_too(tmp_path: Path) -> None:
    with supervised(tmp_path, unix=False) as stand:
        before = stand.snapshot()
        injector = Injector(services.load(stand.environment), new_run_id())
        injector.end(injector.inject("stop", "ingest", 20))
        stand.wait_clean(before, 1.0)
        for pid in proc.carriers(proc.WATCHDOG_MARK, injector.run):
            proc.kill(pid, signal.SIGKILL)


def test_a_long_socket_path_does_not_matter(stand: Supervised, tmp_path: Path) -> None:
    far = tmp_path / ("long" * 40)
    far.symlink_to(stand.environment.root)
    password = str(stand.environment.secrets / "supervisor_password")
    assert Supervisor(f"unix://{far}/s.sock", "testbed", password).pid() == stand.pid


def test_kill_heals_itself_and_the_service_is_proved_running_again(stand: Supervised, injector: Injector) -> None:
    record = injector.inject("kill", "redis", 20)  # this one needs 0.4 s to start
    assert not injector.healed(record)
    ended = injector.end(record)
    assert answers(stand.ports["redis"])
    assert ended.reverted_at is not None and record.injected_at is not None
    assert 0.4 <= ended.reverted_at - record.injected_at < 10


def test_a_service_that_has_not_opted_in_is_refused_and_untouched(stand: Supervised, injector: Injector) -> None:
    old = stand.main_pid("shy")
    with pytest.raises(Refused, match="opted in"):
        injector.inject("kill", "shy", 20)
    assert stand.main_pid("shy") == old
    last = list(audit.entries(stand.home.chaos_audit))[-1]
    assert (last["action"], last["target"], last["run"]) == ("refuse", "shy", injector.run)


def test_the_blast_radius_holds(stand: Supervised, injector: Injector) -> None:
    injector.inject("pause", "ingest", 20)
    with pytest.raises(Refused, match="carries a fault already"):
        injector.inject("stop", "ingest", 20)
    injector.limits = Limits(max_faults=1)
    with pytest.raises(Refused, match="1 faults are open"):
        injector.inject("pause", "redis", 20)
    injector.limits = Limits(deny=("redis",))
    with pytest.raises(Refused, match="deny list"):
        injector.inject("pause", "redis", 20)


def test_another_runs_open_fault_keeps_new_ones_out(stand: Supervised, injector: Injector) -> None:
    injector.inject("pause", "ingest", 20)
    other = Injector(injector.stack, new_run_id())
    try:
        with pytest.raises(Refused, match="still open"):
            other.inject("pause", "redis", 20)
    finally:
        for pid in proc.carriers(proc.WATCHDOG_MARK, other.run):
            proc.kill(pid, signal.SIGKILL)


def test_the_halt_lever_blocks_everything_until_it_is_lifted(stand: Supervised, injector: Injector) -> None:
    lever.pull(stand.environment, "tester", "enough")
    try:
        with pytest.raises(Refused, match=r"halted by tester: enough"):
            injector.inject("pause", "ingest", 20)
    finally:
        assert lever.release(stand.environment)
    injector.end(injector.inject("pause", "ingest", 20))


def test_nothing_goes_in_without_a_living_watchdog(stand: Supervised, injector: Injector) -> None:
    injector.arm()
    (watchdog,) = proc.carriers(proc.WATCHDOG_MARK, injector.run)
    proc.kill(watchdog, signal.SIGKILL)
    wait(lambda: not journal.watched(stand.journal, injector.run))
    with pytest.raises(Refused, match="watchdog"):
        injector.inject("pause", "ingest", 20)


def test_a_service_that_does_not_run_is_refused(stand: Supervised, injector: Injector) -> None:
    injector.stack.supervisor().stop("ingest")
    try:
        with pytest.raises(Refused, match="STOPPED"):
            injector.inject("pause", "ingest", 20)
    finally:
        injector.stack.supervisor().start("ingest")
        wait(lambda: answers(stand.ports["ingest"]))


def test_a_process_somebody_stopped_is_refused(stand: Supervised, injector: Injector) -> None:
    pid = stand.main_pid("redis")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        wait(lambda: proc.stat(pid).state == "T")  # type: ignore[union-attr]
        with pytest.raises(Refused, match="stopped already"):
            injector.inject("pause", "redis", 20)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_supervisor_of_another_environment_is_refused(stand: Supervised) -> None:
    stack = services.load(stand.environment)
    foreign = services.Stack(**{**vars(stack), "env_id": "somebody-else"})
    with pytest.raises(Refused, match="does not carry the id"):
        injection.plan(foreign, new_run_id(), "kill", "ingest", 20)


def test_planning_touches_nothing(stand: Supervised) -> None:
    before, old, files = stand.snapshot(), stand.main_pid("ingest"), sorted(os.listdir(stand.journal))
    record = injection.plan(services.load(stand.environment), new_run_id(), "pause", "ingest", 20)
    assert [op.describe("ingest") for op in record.revert] == ["send SIGCONT to every process of ingest"]
    assert (stand.snapshot(), stand.main_pid("ingest"), sorted(os.listdir(stand.journal))) == (before, old, files)


def test_a_fault_taken_back_before_it_went_in_stays_out(stand: Supervised, injector: Injector) -> None:
    injector.arm()
    record = injector._save(injection.plan(injector.stack, injector.run, "pause", "ingest", 20))
    recover.settle(stand.journal, record, "recover")
    with pytest.raises(Refused, match="taken back"):
        injector._apply(injection.kind_of(record), record)
    assert stand.snapshot()["ingest"]["stopped"] == 0


def test_two_who_undo_the_same_fault_undo_it_once(stand: Supervised, injector: Injector) -> None:
    before, record = stand.snapshot(), injector.inject("stop", "redis", 20)
    ended: list[str | None] = []
    threads = [
        threading.Thread(target=lambda by=by: ended.append(recover.settle(stand.journal, record, by).by))  # type: ignore[misc]
        for by in ("runner", "recover")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ended)) == 1
    stand.wait_clean(before, 1.0)


def test_recover_leaves_a_watched_fault_alone(stand: Supervised, injector: Injector) -> None:
    injector.inject("pause", "ingest", 20)
    assert recover.recover_orphans(stand.home) == []
    assert stand.snapshot()["ingest"]["stopped"] == 3


def test_a_revert_that_cannot_succeed_is_failed_and_blocks(tmp_path: Path) -> None:
    with supervised(tmp_path) as stand:
        injector = Injector(services.load(stand.environment), new_run_id())
        record = injector.inject("stop", "redis", 60)
        script = tmp_path / "service.py"
        text = script.read_text()
        script.write_text("raise SystemExit(1)")
        ended = injector.end(record)
        assert ended.state == "FAILED" and ended.attempts == recover.MAX_TRIES and ended.reason
        with pytest.raises(Refused, match="could not be reverted"):
            injector.inject("pause", "ingest", 20)
        with pytest.raises(NotReady, match="could not be reverted"):
            safety.refuse_while_failed(stand.environment)
        for pid in proc.carriers(proc.WATCHDOG_MARK, injector.run):
            proc.kill(pid, signal.SIGKILL)
        wait(lambda: not journal.watched(stand.journal, injector.run))
        assert recover.recover(stand.environment) == []  # a command does not try again by itself
        script.write_text(text)
        (again,) = recover.recover(stand.environment, failed=True)
        assert again.state == "REVERTED"
        safety.refuse_while_failed(stand.environment)


def test_one_chaos_run_at_a_time(stand: Supervised) -> None:
    with safety.exclusive(stand.environment), pytest.raises(Leased), safety.exclusive(stand.environment):
        pass
    assert not locks.held(stand.environment.chaos / "lock")


def wait(condition, patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
