"""When an abort condition counts, and how an experiment is interrupted."""

import os
import signal
import threading

import pytest

from runners.chaos.interrupt import Interrupt
from runners.chaos.watch import failing_since
from runners.probes import Attempt


def series(letters: str) -> list[Attempt]:
    names = {".": "ok", "x": "failed", "r": "refused"}
    return [Attempt(float(n), n + 0.1, names[letter]) for n, letter in enumerate(letters)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("letters", "since"),
    [("", None), ("...", None), ("..xx", 2.0), ("..xx.", None), ("..rrx", 2.0), ("..rr", None), ("xxx", 0.0)],
)
def test_failing_since(letters: str, since: float | None) -> None:
    assert failing_since(series(letters)) == since


@pytest.fixture
def interrupt():
    before = signal.getsignal(signal.SIGTERM)
    made = Interrupt(threading.Event())
    made.install()
    yield made
    signal.signal(signal.SIGTERM, before)


def test_it_ends_what_the_main_thread_waits_for(interrupt: Interrupt) -> None:
    thread = threading.Timer(0.05, interrupt.end, ["halted"])
    thread.start()
    with pytest.raises(SystemExit) as found:
        threading.Event().wait(10)
    thread.join()
    assert found.value.code == 20 and interrupt.reason == "halted" and interrupt.stop.is_set()


def test_a_shield_lets_an_injection_finish_first(interrupt: Interrupt) -> None:
    finished = False
    with pytest.raises(SystemExit), interrupt.shielded():
        with interrupt.shielded():
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupt.stop.wait(1)
        finished = True
    assert finished and interrupt.reason == "stopped"


def test_it_is_raised_once(interrupt: Interrupt) -> None:
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(1)
    os.kill(os.getpid(), signal.SIGTERM)
    interrupt.end("later")
    assert interrupt.reason == "stopped"


def test_what_came_before_the_handler_is_not_forgotten() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: None)
    made = Interrupt(threading.Event())
    thread = threading.Thread(target=made.end, args=["halted"])
    thread.start()
    thread.join()
    try:
        with pytest.raises(SystemExit):
            made.install()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_stop_alone_interrupts_nothing(interrupt: Interrupt) -> None:
    with interrupt.shielded():
        interrupt.stop.set()
    assert not interrupt.over.is_set() and interrupt.reason is None
