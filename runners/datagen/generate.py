"""Suite action `generate`: play a scenario against a sink in real time and keep the ledger."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from runners.datagen.plan import resends
from runners.datagen.scenario import Scenario
from runners.datagen.selfstats import cpu_s, rss_mb
from runners.datagen.world import World
from runners.events import series_key
from runners.ledger.attempt import Batch, Flag, Outcome
from runners.ledger.header import Header
from runners.ledger.identity import identity
from runners.ledger.items import SIGNALS, Signal
from runners.ledger.reader import Totals, fates, read_attempts, totals
from runners.ledger.writer import LedgerWriter
from runners.suite import Context, Verdict
from runners.wire.delivery import Delivery, Policy
from runners.wire.parcel import Parcel, Sink

_RESEND_AFTER_S = 1.0
_LATE_SHARE = 0.2
_STOP_PATIENCE_S = 3.0
_COUNTS = ("sent", "acked", "rejected", "unknown")


@dataclass(frozen=True)
class Order:
    """What to play. sinks makes one sink per sender; paced: in real time from now, else at full speed, ending now."""

    scenario: Scenario
    seed: int
    duration_s: float | None
    sink: str
    sinks: Callable[[], Sink]
    paced: bool
    environment: str


@dataclass
class _Progress:
    """Shared with the sender threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    acked: set[Signal] = field(default_factory=set)
    again: list[tuple[float, Batch]] = field(default_factory=list)


class Player:
    """Plays one order; `play` returns when everything is settled or `stop` was set and the patience is over."""

    def __init__(self, context: Context, order: Order, folder: Path) -> None:
        self._context, self._order = context, order
        scenario = order.scenario
        duration_s = order.duration_s or scenario.file.duration
        start_ns = time.time_ns() if order.paced else time.time_ns() - round(duration_s * 1e9)
        self._world = World(scenario, identity(context.run, scenario.tenants), order.seed, start_ns, order.duration_s)
        header = Header(
            run=context.run, environment=order.environment, sink=order.sink, scenario=scenario.name,
            scenario_sha256=scenario.sha256, seed=order.seed, start_ns=start_ns, duration_s=duration_s,
            tenants=scenario.tenants, code=version("observastack-testbed"),
        )  # fmt: skip
        self.folder = folder
        self._ledger = LedgerWriter(folder, header, scenario.source)
        self._progress = _Progress()
        delivery = scenario.file.delivery
        self._policy = Policy(delivery.senders, delivery.queue, delivery.give_up)
        self._steady = False
        self._give_up_at: float | None = None
        self.complaint = ""
        self.late_s = 0.0
        self._points_at = 0.0

    def play(self) -> Totals:
        """Send everything, then the sentinels. Raises TestbedError when the ledger or a file sink cannot be written."""
        self._declare()
        delivery = Delivery(self._order.sinks, self._ledger, self._policy, self._settled)
        try:
            self._send_ticks(delivery)
            self._drain(delivery)
            self._send_sentinels(delivery)
            self._drain(delivery)
        finally:
            try:
                delivery.close(0.5)
            finally:
                self._points(delivery, force=True)
                self._ledger.close()
                self.complaint = delivery.complaint
        return totals(fates(read_attempts(self.folder)).values())

    def _send_ticks(self, delivery: Delivery) -> None:
        world, stop = self._world, self._context.stop
        for tick in range(world.ticks):
            due_ns = world.start_ns + (tick + 1) * world.tick_ns
            began = time.monotonic()
            # Made before it is due: what a batch says depends on the schedule alone.
            parcels = [world.parcel(batch) for batch in world.batches(tick)]
            # How far behind this process would be with a sink that takes everything at once.
            self.late_s = max(0.0, self.late_s + time.monotonic() - began - world.tick_ns / 1e9)
            while self._order.paced and (left := (due_ns - time.time_ns()) / 1e9) > 0 and not stop.is_set():
                self._idle(delivery, min(left, 0.05))
            if stop.is_set():
                return
            for parcel in parcels:
                if not delivery.submit(parcel, stop):
                    return
                self._points(delivery)
            self._resend(delivery, time.monotonic())

    def _send_sentinels(self, delivery: Delivery) -> None:
        """Also after a stop, as far as the patience reaches: then an audit need not wait for its deadline."""
        over = _Patience(self)
        for batch in self._world.batches(self._world.ticks):
            delivery.submit(self._world.parcel(batch), over)

    def _drain(self, delivery: Delivery) -> None:
        """Wait until nothing is on its way, what is sent again included; after a stop, no longer than the patience."""
        while not self.out_of_patience():
            idle = delivery.idle
            with self._progress.lock:
                waiting = bool(self._progress.again)
            if idle and not waiting:
                return
            self._idle(delivery, 0.02, flush=idle)

    def out_of_patience(self) -> bool:
        """Has a stop been asked for so long ago that what is on its way must be left alone?"""
        if not self._context.stop.is_set():
            return False
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + _STOP_PATIENCE_S
        return time.monotonic() > self._give_up_at

    def _idle(self, delivery: Delivery, seconds: float, *, flush: bool = False) -> None:
        self._context.stop.wait(seconds)
        self._resend(delivery, float("inf") if flush else time.monotonic())
        self._points(delivery)

    def _resend(self, delivery: Delivery, now: float) -> None:
        while True:
            with self._progress.lock:
                if not self._progress.again or self._progress.again[0][0] > now:
                    return
                _, batch = heapq.heappop(self._progress.again)
            if not delivery.submit(self._world.parcel(batch, Flag.RESEND), self._context.stop):
                return

    def _settled(self, parcel: Parcel, outcome: Outcome) -> None:
        """Called by sender threads."""
        if outcome is not Outcome.ACKED or parcel.flags & Flag.RESEND:
            return
        with self._progress.lock:
            self._progress.acked.add(parcel.batch.signal)
            if not parcel.flags and resends(self._order.scenario, self._order.seed, parcel.batch):
                heapq.heappush(self._progress.again, (time.monotonic() + _RESEND_AFTER_S, parcel.batch))
            steady, self._steady = not self._steady and len(self._progress.acked) == len(SIGNALS), self._steady
            if steady:
                self._steady = True
        if steady:
            self._context.steady()

    def _declare(self) -> None:
        for what in _COUNTS:
            for signal in SIGNALS:
                self._context.events.emit(
                    "metric.declare", name=f"data.{what}", unit="items", kind="counter", labels={"signal": signal}
                )
        self._context.events.emit("metric.declare", name="data.late", unit="s", kind="gauge", labels={})

    def _points(self, delivery: Delivery, *, force: bool = False) -> None:
        now = time.monotonic()
        if now - self._points_at < 1 and not force:
            return
        self._points_at, at = now, time.time()
        counts = delivery.take_counts()
        many: list[dict[str, Any]] = [
            {"series": series_key(f"data.{what}", {"signal": signal}), "t": [at], "v": [counts.get((what, signal), 0)]}
            for what in _COUNTS
            for signal in SIGNALS
        ]
        many.append({"series": "data.late", "t": [at], "v": [round(self.late_s, 4)]})
        self._context.events.points(many)


class _Patience:
    """Looks like the stop flag to whoever waits, but is up only when the patience after a stop is over."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def is_set(self) -> bool:
        return self._player.out_of_patience()


def verdict_of(sent: Totals, planned: int, late_s: float, duration_s: float, *, stopped: bool) -> tuple[Verdict, str]:
    """(verdict, why not passed). A run that was stopped is judged by what it sent."""
    if sent.rejected or sent.unknown:
        return "failed", f"{sent.rejected:,} items were rejected and {sent.unknown:,} were never acknowledged"
    if late_s > _LATE_SHARE * duration_s:
        return "invalid", f"the generator could not keep its schedule: {late_s:.1f} s late; use fewer requests"
    if not stopped and sent.sent != planned:
        return "failed", f"{planned - sent.sent:,} of {planned:,} planned items were not sent"
    return "passed", ""


def run(context: Context, order: Order, planned: int) -> Verdict:
    """The whole action: events, ledger, verdict."""
    test = "data.generate"
    context.events.emit("run.started", plan=[test])
    context.events.emit("test.started", id=test)
    began = time.monotonic()
    player = Player(context, order, context.artifacts / "ledger")
    sent = player.play()
    duration_s = order.duration_s or order.scenario.file.duration
    verdict, why = verdict_of(sent, planned, player.late_s, duration_s, stopped=context.stop.is_set())
    if why and player.complaint:
        why += f" (last complaint: {player.complaint})"
    context.reason = why or None
    context.events.emit(
        "ledger", kind="sent", ledger=str(player.folder), sent=sent.sent, acked=sent.acked, rejected=sent.rejected,
        unknown=sent.unknown, cpu_s=round(cpu_s(), 3), rss_mb=round(rss_mb(), 1),
    )  # fmt: skip
    context.events.emit(
        "test.finished", id=test, outcome=verdict, attempt=1, duration_ms=round((time.monotonic() - began) * 1000),
        **({"message": why} if why else {}),
    )  # fmt: skip
    return verdict
