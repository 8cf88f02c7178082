"""Delivery: a bounded queue, sender threads, retries with the same key, and the outcome of each attempt in the ledger.

What an answer means for the attempt (and whether it is tried again):

    2xx                        acked; with refused items: partial
    429, 401                   refused: certainly not stored; again, after Retry-After
    never sent, for want of    refused, with status 0; again
    a token
    no answer, 408, 5xx        unknown: it may have been stored; again, with the same key; so is a 429 that speaks of a part
    every other status         rejected: never again; where the sink says how many of the items, partial
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from runners.ledger.attempt import Flag, Outcome, Settled
from runners.ledger.items import Signal
from runners.ledger.writer import LedgerWriter
from runners.wire.parcel import Answer, Parcel, Sink

Count = tuple[str, Signal]
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONGEST_WISH_S = 0.05, 1.0, 30.0
_LEFT_BEHIND_S = 0.5


class Stop(Protocol):
    """Says whether to go on waiting; a threading.Event is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class Policy:
    """queue: parcels that may wait; give_up_s: for how long a parcel is tried again, and a sink that is away waited for."""

    senders: int = 4
    queue: int = 64
    give_up_s: float = 60.0


def judge(answer: Answer) -> tuple[Outcome, bool]:
    """(outcome of the attempt, is it worth another one)."""
    if 200 <= answer.status < 300 or (answer.final and answer.rejected):
        return (Outcome.PARTIAL if answer.rejected else Outcome.ACKED), False
    if answer.final:
        return Outcome.REJECTED, False
    if not answer.parted and (answer.status in (401, 429) or not answer.sent):
        return Outcome.REFUSED, True
    if answer.parted or answer.status in (0, 408) or answer.status >= 500:
        return Outcome.UNKNOWN, True
    return Outcome.REJECTED, False


class Delivery:
    """Hand over parcels with `submit`; it blocks while the queue is full, which is how a slow sink slows the source."""

    def __init__(
        self,
        sinks: Callable[[], Sink],
        ledger: LedgerWriter,
        policy: Policy,
        done: Callable[[Parcel, Outcome], None] = lambda _parcel, _outcome: None,
        *,
        number: int = 0,
    ) -> None:
        """sinks: makes one sink for each thread; done: told the last outcome of each parcel, from a sender thread; number:
        of this sink in the ledger."""
        self._ledger, self._policy, self._done, self._number = ledger, policy, done, number
        self._queue: queue.Queue[Parcel | None] = queue.Queue(policy.queue)
        self._lock = threading.Lock()
        self._counts: Counter[Count] = Counter()
        self._abort = threading.Event()
        self._failure: BaseException | None = None
        self._away_since: float | None = None  # every attempt since then ended unknown
        self.complaint = ""
        self._threads = [
            threading.Thread(target=self._run, args=(sinks(),), name=f"sender-{number}", daemon=True)
            for number in range(policy.senders)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, parcel: Parcel, stop: Stop) -> bool:
        """Queue a parcel, waiting for room. Raises what a sender thread died of.

        False when `stop` was set first, when this was closed, or when the sink has been given up: nothing more will be sent.
        """
        while not stop.is_set() and not self.gave_up:
            self._raise()
            if self._abort.is_set():
                return False
            try:
                self._queue.put(parcel, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    @property
    def gave_up(self) -> bool:
        """Every attempt of the last `give_up_s` ended unknown: what still waits is not sent at all."""
        since = self._away_since
        return since is not None and time.monotonic() > since + self._policy.give_up_s

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is on its way."""
        self._raise()
        return self._queue.unfinished_tasks == 0

    def take_counts(self) -> dict[Count, int]:
        """Items since the last call by (sent | acked | rejected | unknown, signal). sent counts first attempts."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
        return counts

    def close(self) -> None:
        """Stop the threads. Raises what one of them died of.

        What is not settled by now stays in the ledger as it is: unknown when it was sent, absent when it never was. A
        sender that waits for an answer is left behind after a moment: its thread dies with the process.
        """
        self._abort.set()
        self._wake_next()
        deadline = time.monotonic() + _LEFT_BEHIND_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._raise()

    def _wake_next(self) -> None:
        """Wake a sender thread that waits for something to send; it ends, and wakes the next one. A full queue wakes it, too."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self, sink: Sink) -> None:
        try:
            while not self._abort.is_set():
                parcel = self._queue.get()
                if parcel is None:
                    break
                try:
                    self._deliver(sink, parcel)
                finally:
                    self._queue.task_done()
        except BaseException as error:
            self._failure = error
            self._abort.set()
        finally:
            self._wake_next()
            sink.close()

    def _deliver(self, sink: Sink, parcel: Parcel) -> None:
        give_up = time.monotonic() + self._policy.give_up_s
        first = not parcel.flags & Flag.RESEND
        best: Outcome | None = None
        uncertain = False
        number, pause = 0, _FIRST_PAUSE_S
        if self._abort.is_set() or self.gave_up:
            return  # never sent: the ledger has no row of it either
        if first:
            self._count("sent", parcel, parcel.items)
        parcel = sink.pack(parcel)
        while True:
            began = time.monotonic_ns()
            row = self._ledger.begin(parcel.attempt(number, time.time_ns(), self._number))
            answer = sink.send(parcel)
            outcome, again = judge(answer)
            if outcome is Outcome.UNKNOWN and self._abort.is_set():
                best = Outcome.UNKNOWN  # as the row says, which stays open
                break
            uncertain |= outcome is Outcome.UNKNOWN
            took_us = (time.monotonic_ns() - began) // 1000
            away_since = self._away(outcome)
            self._ledger.settle(row, Settled(outcome, answer.status, answer.rejected, took_us))
            if outcome is not Outcome.ACKED:
                self._ledger.note(self._number, parcel.batch.signal, answer.status, answer.error)
            if answer.error and outcome is not Outcome.ACKED:
                told = f"{answer.status or 'no answer'}" if answer.sent else "not sent,"
                self.complaint = f"{parcel.batch.signal} of {parcel.tenant}: {told} {answer.error}"
            # An attempt of unknown end is never forgotten: a later refusal does not prove that nothing was stored.
            best = outcome if best is not Outcome.UNKNOWN or outcome in (Outcome.ACKED, Outcome.PARTIAL) else best
            wait = min(answer.retry_after_s, _LONGEST_WISH_S) if answer.retry_after_s is not None else pause
            # A sink that has been away for so long is not waited for by each parcel anew.
            if away_since is not None:
                give_up = min(give_up, away_since + self._policy.give_up_s)
            left = give_up - time.monotonic()
            if not again or left <= 0 or self._abort.wait(min(wait, left)):
                break
            number, pause = number + 1, min(pause * 2, _LONGEST_PAUSE_S)
            if self._abort.is_set():
                break
        if first:
            self._count_end(parcel, best or Outcome.UNKNOWN, answer.rejected, uncertain=uncertain)
        self._done(parcel, best or Outcome.UNKNOWN)

    def _away(self, outcome: Outcome) -> float | None:
        """Since when every attempt ended unknown; None when the sink has just taken or refused one."""
        with self._lock:
            if outcome is not Outcome.UNKNOWN:
                self._away_since = None
            elif self._away_since is None:
                self._away_since = time.monotonic()
            return self._away_since

    def _count_end(self, parcel: Parcel, outcome: Outcome, refused: int, *, uncertain: bool) -> None:
        """uncertain: may an attempt before the last one have stored what that refused?"""
        if outcome is Outcome.ACKED:
            self._count("acked", parcel, parcel.items)
        elif outcome is Outcome.PARTIAL:
            self._count("acked", parcel, parcel.items - refused)
            self._count("unknown" if uncertain else "rejected", parcel, refused)
        elif outcome is Outcome.UNKNOWN:
            self._count("unknown", parcel, parcel.items)
        else:
            self._count("rejected", parcel, parcel.items)

    def _count(self, what: str, parcel: Parcel, items: int) -> None:
        with self._lock:
            self._counts[what, parcel.batch.signal] += items
