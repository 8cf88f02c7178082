"""Outcomes, retries and back-pressure, with sinks that answer from a list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runners.ledger.attempt import Batch, Flag, Outcome
from runners.ledger.header import Header
from runners.ledger.reader import Totals, fates, read_attempts, totals
from runners.ledger.refusals import read_refusals
from runners.ledger.writer import LedgerWriter
from runners.lib.errors import TestbedError
from runners.wire.connection import retry_after
from runners.wire.delivery import Delivery, Policy, judge
from runners.wire.parcel import Answer, Parcel, Sink

HEADER = Header("run", "local", "test", "x", "0" * 64, 0, 0, 1.0, ("acme",), "0")
OK, LOST, FULL, DOWN, BAD = (
    Answer(200),
    Answer(0, error="reset"),
    Answer(429, 0, 0.01),
    Answer(503),
    Answer(400, error="no"),
)


def parcel(tick: int = 0, flags: Flag = Flag.NONE) -> Parcel:
    return Parcel(Batch(0, "logs", tick, 0), "acme", b"body", f"key-{tick}", flags, 10, 0, 9, 1, 2)


class Scripted(Sink):
    """Answers in order, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers: Iterator[Answer] = iter(answers)
        self._last = answers[-1]
        self.keys: list[str] = []
        self.closed = False

    def send(self, parcel: Parcel) -> Answer:
        self.keys.append(parcel.key)
        return next(self._answers, self._last)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerWriter:
    return LedgerWriter(tmp_path / "ledger", HEADER, b"")


def wait_for(true: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)


def deliver(
    ledger: LedgerWriter, sink: Scripted, *parcels: Parcel, give_up_s: float = 5, patience_s: float = 5
) -> tuple[dict[tuple[str, str], int], list[Outcome]]:
    ended: list[Outcome] = []
    delivery = Delivery(lambda: sink, ledger, Policy(1, 8, give_up_s), lambda _p, outcome: ended.append(outcome))
    for one in parcels:
        assert delivery.submit(one, threading.Event())
    wait_for(lambda: delivery.idle, patience_s)
    delivery.close()
    ledger.close()
    assert sink.closed
    return dict(delivery.take_counts()), ended  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "outcome", "again"),
    [
        (Answer(200), Outcome.ACKED, False),
        (Answer(202), Outcome.ACKED, False),
        (Answer(200, 3), Outcome.PARTIAL, False),
        (Answer(429), Outcome.REFUSED, True),
        (Answer(401), Outcome.REFUSED, True),
        (Answer(0, sent=False), Outcome.REFUSED, True),
        (Answer(0), Outcome.UNKNOWN, True),
        (Answer(408), Outcome.UNKNOWN, True),
        (Answer(500), Outcome.UNKNOWN, True),
        (Answer(503), Outcome.UNKNOWN, True),
        (Answer(400), Outcome.REJECTED, False),
        (Answer(403), Outcome.REJECTED, False),
        (Answer(413), Outcome.REJECTED, False),
        (Answer(422), Outcome.REJECTED, False),
    ],
)
def test_what_an_answer_means(answer: Answer, outcome: Outcome, again: bool) -> None:
    assert judge(answer) == (outcome, again)


def test_it_tries_again_with_the_same_key_until_acknowledged(ledger: LedgerWriter) -> None:
    sink = Scripted(LOST, FULL, DOWN, OK)
    counts, ended = deliver(ledger, sink, parcel())
    assert sink.keys == ["key-0"] * 4
    assert ended == [Outcome.ACKED]
    assert counts == {("sent", "logs"): 10, ("acked", "logs"): 10}
    outcomes = [(attempt.number, settled.outcome) for attempt, settled in read_attempts(ledger.folder)]
    assert outcomes == [(0, Outcome.UNKNOWN), (1, Outcome.REFUSED), (2, Outcome.UNKNOWN), (3, Outcome.ACKED)]


def test_what_never_was_sent_is_tried_again_and_has_no_status(ledger: LedgerWriter) -> None:
    unsent = Answer(0, error="no token for tenant acme", sent=False)
    counts, ended = deliver(ledger, Scripted(unsent, unsent, OK), parcel())
    assert (ended, counts["acked", "logs"]) == ([Outcome.ACKED], 10)
    settled = [(one.outcome, one.status) for _, one in read_attempts(ledger.folder)]
    assert settled == [(Outcome.REFUSED, 0), (Outcome.REFUSED, 0), (Outcome.ACKED, 200)]
    (fate,) = fates(read_attempts(ledger.folder)).values()
    assert (fate.outcome, fate.status, fate.copies) == (Outcome.ACKED, 200, 1)


def test_what_never_could_be_sent_is_not_unknown(ledger: LedgerWriter) -> None:
    delivery = Delivery(
        lambda: Scripted(Answer(0, error="no token for tenant acme", sent=False)), ledger, Policy(1, 8, 0.2)
    )
    assert delivery.submit(parcel(), threading.Event())
    wait_for(lambda: delivery.idle, 5)
    assert delivery.complaint == "logs of acme: not sent, no token for tenant acme"
    assert dict(delivery.take_counts()) == {("sent", "logs"): 10, ("rejected", "logs"): 10}
    delivery.close()


def test_what_a_sink_says_to_a_request_that_it_does_not_take_is_kept(ledger: LedgerWriter) -> None:
    deliver(ledger, Scripted(LOST, FULL, BAD, OK), parcel(0), parcel(1))
    assert {(one.sink, one.signal, one.status, one.text, one.attempts) for one in read_refusals(ledger.folder)} == {
        (0, "logs", 0, "reset", 1),
        (0, "logs", 429, "", 1),
        (0, "logs", 400, "no", 1),
    }


def test_no_sink_is_waited_for_longer_than_is_reasonable(ledger: LedgerWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.wire.delivery._LONGEST_WISH_S", 0.01)
    began = time.monotonic()
    _, ended = deliver(ledger, Scripted(Answer(429, 0, 1e9), Answer(429, 0, float("inf")), Answer(200)), parcel())
    assert ended == [Outcome.ACKED] and time.monotonic() - began < 4


def test_a_rejection_is_final(ledger: LedgerWriter) -> None:
    sink = Scripted(BAD)
    counts, ended = deliver(ledger, sink, parcel())
    assert (len(sink.keys), ended, counts["rejected", "logs"]) == (1, [Outcome.REJECTED], 10)


def test_a_rejection_after_an_unknown_attempt_proves_nothing(ledger: LedgerWriter) -> None:
    counts, ended = deliver(ledger, Scripted(LOST, BAD), parcel())
    assert ended == [Outcome.UNKNOWN]
    assert counts == {("sent", "logs"): 10, ("unknown", "logs"): 10}
    (fate,) = fates(read_attempts(ledger.folder)).values()
    assert fate.outcome is Outcome.UNKNOWN


def test_it_gives_up_when_the_scenario_says_so(ledger: LedgerWriter) -> None:
    counts, ended = deliver(ledger, Scripted(LOST), parcel(), give_up_s=0.2)
    assert ended == [Outcome.UNKNOWN]
    assert counts["unknown", "logs"] == 10


def test_a_sink_that_stays_away_is_given_up_and_what_waits_is_never_sent(ledger: LedgerWriter) -> None:
    sink = Scripted(LOST)
    began = time.monotonic()
    counts, ended = deliver(ledger, sink, *(parcel(tick) for tick in range(6)), give_up_s=0.3, patience_s=10)
    assert time.monotonic() - began < 2
    sent = set(sink.keys)
    assert ended == [Outcome.UNKNOWN] * len(sent)
    assert counts["sent", "logs"] == counts["unknown", "logs"] == 10 * len(sent) < 60


def test_a_parcel_waits_no_longer_for_a_sink_than_the_first_that_found_it_away(ledger: LedgerWriter) -> None:
    """Two senders: the second begins when the sink has been away for most of the time that it is waited for."""
    sink, give_up_s = Scripted(LOST), 1.0
    ended: dict[int, float] = {}
    delivery = Delivery(
        lambda: sink, ledger, Policy(2, 8, give_up_s), lambda one, _: ended.setdefault(one.batch.tick, time.monotonic())
    )
    assert delivery.submit(parcel(0), threading.Event())
    wait_for(lambda: len(sink.keys) >= 5, 5)  # after pauses of 50, 100, 200 and 400 ms
    began = time.monotonic()
    assert delivery.submit(parcel(1), threading.Event())
    wait_for(lambda: len(ended) == 2, 5)
    delivery.close()
    ledger.close()
    assert "key-1" in sink.keys
    assert ended[1] - began < 0.8 * give_up_s  # alone it would be tried for all of it


def test_nothing_more_is_taken_for_a_sink_that_was_given_up(ledger: LedgerWriter) -> None:
    delivery = Delivery(lambda: Scripted(LOST), ledger, Policy(1, 8, 0.1))
    assert delivery.submit(parcel(), threading.Event())
    wait_for(lambda: delivery.gave_up, 5)
    assert not delivery.submit(parcel(1), threading.Event())
    delivery.close()


def test_a_sink_that_comes_back_is_waited_for_again(ledger: LedgerWriter) -> None:
    sink = Scripted(LOST, OK, LOST, LOST, OK)
    _, ended = deliver(ledger, sink, parcel(0), parcel(1), give_up_s=0.4)
    assert ended == [Outcome.ACKED, Outcome.ACKED]


def test_a_partial_success_is_split(ledger: LedgerWriter) -> None:
    counts, _ = deliver(ledger, Scripted(Answer(200, 4)), parcel())
    assert counts == {("sent", "logs"): 10, ("acked", "logs"): 6, ("rejected", "logs"): 4}


def test_what_a_partial_success_refused_after_an_attempt_without_an_answer_is_unknown(ledger: LedgerWriter) -> None:
    counts, _ = deliver(ledger, Scripted(LOST, Answer(200, 4)), parcel())
    assert counts == {("sent", "logs"): 10, ("acked", "logs"): 6, ("unknown", "logs"): 4}
    assert totals(fates(read_attempts(ledger.folder)).values()) == Totals(sent=10, acked=6, unknown=4)


def test_what_is_sent_again_on_purpose_is_not_counted_twice(ledger: LedgerWriter) -> None:
    counts, _ = deliver(ledger, Scripted(OK), parcel(), parcel(flags=Flag.RESEND))
    assert counts == {("sent", "logs"): 10, ("acked", "logs"): 10}
    assert [attempt.flags for attempt, _ in read_attempts(ledger.folder)] == [Flag.NONE, Flag.RESEND]


def test_a_parcel_is_packed_once_for_all_attempts(ledger: LedgerWriter) -> None:
    class Packing(Scripted):
        def __init__(self, *answers: Answer) -> None:
            super().__init__(*answers)
            self.sent: list[bytes | memoryview | None] = []

        def pack(self, parcel: Parcel) -> Parcel:
            self.sent.append(None)
            return replace(parcel, packed=b"packed", checksum=7)

        def send(self, parcel: Parcel) -> Answer:
            self.sent.append(parcel.packed)
            return super().send(parcel)

    sink = Packing(DOWN, DOWN, OK)
    deliver(ledger, sink, parcel())
    assert sink.sent == [None, b"packed", b"packed", b"packed"]
    assert [attempt.checksum for attempt, _ in read_attempts(ledger.folder)] == [7, 7, 7]


@pytest.mark.parametrize("room", [1, 8])
def test_senders_that_wait_for_something_to_send_end_at_once(ledger: LedgerWriter, room: int) -> None:
    before = threading.active_count()
    delivery = Delivery(lambda: Scripted(OK), ledger, Policy(4, room, 5))
    began = time.monotonic()
    delivery.close()
    assert threading.active_count() == before
    assert time.monotonic() - began < 0.4  # less than the moment after which a thread is left behind


def test_a_full_queue_makes_the_source_wait_and_a_stop_frees_it(ledger: LedgerWriter) -> None:
    gate, stop = threading.Event(), threading.Event()

    class Stuck(Scripted):
        def send(self, parcel: Parcel) -> Answer:
            gate.wait(10)
            return super().send(parcel)

    delivery = Delivery(lambda: Stuck(OK), ledger, Policy(1, 2, 5))
    assert all(delivery.submit(parcel(tick), stop) for tick in range(3))
    blocked: list[bool] = []
    thread = threading.Thread(target=lambda: blocked.append(delivery.submit(parcel(9), stop)))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    stop.set()
    thread.join(5)
    assert blocked == [False]
    gate.set()
    wait_for(lambda: delivery.idle, 5)
    delivery.close()
    ledger.close()
    assert [fate.outcome for fate in fates(read_attempts(ledger.folder)).values()] == [Outcome.ACKED] * 3


def test_what_was_on_its_way_when_patience_ended_is_unknown(ledger: LedgerWriter) -> None:
    counts, _ = deliver(ledger, Scripted(LOST), parcel(), patience_s=0.3)
    (fate,) = fates(read_attempts(ledger.folder)).values()
    assert fate.outcome is Outcome.UNKNOWN
    assert counts["sent", "logs"] == 10


def test_an_attempt_that_ends_without_answer_after_the_patience_is_unknown_whatever_was_refused_before(
    ledger: LedgerWriter,
) -> None:
    gate = threading.Event()

    class Slow(Scripted):
        def send(self, parcel: Parcel) -> Answer:
            answer = super().send(parcel)
            if answer is LOST:
                gate.wait(10)
            return answer

    sink, ended = Slow(FULL, LOST), list[Outcome]()
    delivery = Delivery(lambda: sink, ledger, Policy(1, 8, 5), lambda _p, outcome: ended.append(outcome))
    assert delivery.submit(parcel(), threading.Event())
    wait_for(lambda: len(sink.keys) == 2, 5)
    closing = threading.Thread(target=delivery.close)
    closing.start()
    wait_for(delivery._abort.is_set, 5)
    gate.set()
    closing.join(5)
    ledger.close()
    (fate,) = fates(read_attempts(ledger.folder)).values()
    assert (fate.outcome, ended) == (Outcome.UNKNOWN, [Outcome.UNKNOWN])
    assert dict(delivery.take_counts()) == {("sent", "logs"): 10, ("unknown", "logs"): 10}


def test_a_source_that_waits_for_room_is_freed_when_all_is_closed(ledger: LedgerWriter) -> None:
    before, gate, never = threading.active_count(), threading.Event(), threading.Event()

    class Stuck(Scripted):
        def send(self, parcel: Parcel) -> Answer:
            gate.wait(10)
            return super().send(parcel)

    delivery = Delivery(lambda: Stuck(OK), ledger, Policy(1, 1, 5))
    assert all(delivery.submit(parcel(tick), never) for tick in range(2))  # one is on its way, one waits
    freed: list[bool] = []
    source = threading.Thread(target=lambda: freed.append(delivery.submit(parcel(9), never)))
    source.start()
    delivery.close()
    gate.set()
    source.join(5)
    assert freed == [False]
    wait_for(lambda: threading.active_count() == before, 5)
    ledger.close()
    assert len(list(read_attempts(ledger.folder))) == 1
    assert threading.active_count() == before


def test_when_one_sender_dies_the_others_end_too(ledger: LedgerWriter) -> None:
    before = threading.active_count()

    class Mortal(Scripted):
        def send(self, parcel: Parcel) -> Answer:
            raise TestbedError("cannot write")

    delivery = Delivery(lambda: Mortal(OK), ledger, Policy(4, 8, 5))
    assert delivery.submit(parcel(), threading.Event())
    wait_for(lambda: threading.active_count() == before, 5)
    assert threading.active_count() == before
    with pytest.raises(TestbedError, match="cannot write"):
        delivery.close()


def test_a_ledger_that_cannot_be_written_stops_the_source(ledger: LedgerWriter) -> None:
    sink = Scripted(OK)
    delivery = Delivery(lambda: sink, ledger, Policy(1, 2, 5))
    ledger.close()
    assert delivery.submit(parcel(), threading.Event())
    with pytest.raises(TestbedError, match="closed"):
        wait_for(lambda: delivery.idle, 5)
    with pytest.raises(TestbedError, match="closed"):
        delivery.submit(parcel(1), threading.Event())
    with pytest.raises(TestbedError, match="closed"):
        delivery.close()
    assert sink.keys == []  # no row, no request


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [(None, None, None), ("2", 2, 2), ("0.5", 0.5, 0.5), ("-3", 0, 0), ("soon", None, None),
     ("Fri, 01 Jan 2027 00:00:00 +99999999999999", None, None),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("Fri, 01 Jan 2100 00:00:00 GMT", 1e9, 1e11)],
)  # fmt: skip
def test_both_forms_of_retry_after_are_read(header: str | None, low: float | None, high: float | None) -> None:
    found = retry_after(header)
    if low is None or high is None:
        assert found is None
    else:
        assert found is not None and low <= found <= high
