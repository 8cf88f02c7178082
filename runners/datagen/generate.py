"""Suite action `generate`: play a scenario against a sink in real time and keep the ledger."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from runners.datagen.counters import Counters
from runners.datagen.crew import Crew
from runners.datagen.mishaps import Refusal, complaint, due, held_back_s, spoil
from runners.datagen.plan import resends
from runners.datagen.scenario import Scenario
from runners.datagen.selfstats import cpu_s, rss_mb
from runners.datagen.shard import WHOLE, Shard
from runners.datagen.sinks import Outlet
from runners.datagen.spoiler import Spoiler
from runners.datagen.world import World
from runners.ledger.attempt import Batch, Flag, Outcome
from runners.ledger.header import Header
from runners.ledger.identity import identity
from runners.ledger.items import SIGNALS
from runners.ledger.reader import Fate, Totals, fates, read_attempts, totals
from runners.ledger.writer import LedgerWriter
from runners.lib.files import write_json
from runners.suite import Context, Verdict
from runners.wire.delivery import Count, Delivery, Policy
from runners.wire.parcel import Parcel

_RESEND_AFTER_S = 1.0
_LATE_SHARE = 0.2
_STOP_PATIENCE_S = 2.0
_BLOCKED_TICKS = 5
_BEHIND_S, _TOO_FAR_BEHIND_S, _SAID_EVERY_S = 1.0, 3.0, 5.0


@dataclass(frozen=True)
class Order:
    """What to play. outlets: where to, all of them at once; start_ns: when the first tick begins; paced: in real time, else
    at full speed; resumed: the header of an interrupted run that is to be brought to its end, in its own ledger; shard: the part that this process makes."""

    scenario: Scenario
    seed: int
    start_ns: int
    duration_s: float | None
    outlets: tuple[Outlet, ...]
    paced: bool
    environment: str
    resumed: Header | None = None
    shard: Shard = WHOLE


class _Lane(NamedTuple):
    """One outlet while it is written to. settled: requests whose fate was known when an interrupted run was taken up."""

    outlet: Outlet
    delivery: Delivery
    settled: frozenset[Batch]


class Player:
    """Plays one order; `play` returns when everything is settled or `stop` was set and the patience is over."""

    def __init__(self, context: Context, order: Order, folder: Path, crew: Callable[[], Crew] | None = None) -> None:
        """folder: of the ledger; crew: starts the processes that make the other shards."""
        self._context, self._order, self.folder = context, order, folder
        scenario = order.scenario
        duration_s = order.duration_s or scenario.file.duration
        self._origin = time.monotonic()
        if order.resumed is not None or order.shard.part:
            # The schedule of the run holds, whenever this process came to it: what is overdue is sent at once.
            self._origin -= (time.time_ns() - order.start_ns) / 1e9
        run = context.run if order.resumed is None else order.resumed.run
        self._world = World(scenario, identity(run, scenario.tenants), order.seed, order.start_ns, order.duration_s)
        header = Header(
            run=context.run, environment=order.environment, sink=order.outlets[0].name, scenario=scenario.name,
            scenario_sha256=scenario.sha256, seed=order.seed, start_ns=order.start_ns, duration_s=duration_s,
            tenants=scenario.tenants, code=version("observastack-testbed"),
            also=tuple(outlet.name for outlet in order.outlets[1:]),
        )  # fmt: skip
        self._ledger = (
            LedgerWriter(folder, header, scenario.source) if order.resumed is None else LedgerWriter.reopen(folder)
        )
        self._settled_before = [
            frozenset(fate.batch for fate in _settled(fates(read_attempts(folder, number)).values()))
            for number in range(len(order.outlets))
        ]
        self._lock = threading.Lock()
        carried = {signal for outlet in order.outlets for signal in outlet.signals}
        self._waiting = [signal for signal in SIGNALS if signal in carried]  # of which nothing was acknowledged yet
        self._lanes: list[_Lane] = []
        self._again: deque[tuple[float, _Lane, Parcel]] = deque()
        self._faults = scenario.file.delivery.faults
        self._held: list[tuple[float, int, _Lane, Parcel]] = []  # a heap, by when it is to be sent
        self._order_held = itertools.count()
        # Who is sent what nobody should take: the first sink that can refuse it.
        self._tempted = next((number for number, outlet in enumerate(order.outlets) if outlet.refuses), None)
        self._spoiler = Spoiler(order.outlets[self._tempted or 0].make)
        self._give_up_at: float | None = None
        self._start_crew = crew
        self._crew: Crew | None = None
        self.planned = 0
        """Items that the plan has for all outlets together, of all shards, up to the tick that was reached."""
        self.complaint = self.crew_complaint = ""
        self.crew_cost = 0.0, 0.0
        self.late_s = self.behind_s = 0.0
        self._said_behind, self._blocked_s = float("-inf"), 0.0

    def play(self) -> None:
        """Send everything, then the sentinels; what the crew does is waited for. Raises TestbedError when the ledger or a file sink cannot be written."""
        given = self._order.scenario.file.delivery
        policy = Policy(given.senders, given.queue, given.give_up)
        with ExitStack() as closing:
            closing.callback(self._ledger.close)
            if self._start_crew is not None:
                self._crew = self._start_crew()
                closing.callback(self._crew.close)
            counters = Counters(self._context.events, self._take_counts, lambda: self.late_s)
            closing.callback(counters.close)
            for number, outlet in enumerate(self._order.outlets):
                done = partial(self._settled, number)
                delivery = Delivery(outlet.make, self._ledger, policy, done, number=number)
                closing.callback(delivery.close)
                self._lanes.append(_Lane(outlet, delivery, self._settled_before[number]))
            closing.callback(self._spoiler.close)
            self._send_ticks()
            self._drain()
            self._send_sentinels()
            self._drain()
            if self._crew:
                self.crew_complaint, self.crew_cost = self._crew.end(self._context), self._crew.cost()
        self.complaint = "; ".join(lane.delivery.complaint for lane in self._lanes if lane.delivery.complaint)

    def fates(self) -> list[Fate]:
        """Of all requests of the ledger, sink by sink."""
        return _fates(self.folder, len(self._order.outlets))

    def _take_counts(self) -> Mapping[Count, int]:
        found: Counter[Count] = Counter()
        for lane in self._lanes:
            found.update(lane.delivery.take_counts())
        if self._crew:
            found.update(self._crew.take_counts())
        return found

    def _parcels(self, tick: int) -> list[tuple[_Lane, Parcel]]:
        """All requests of a tick with the lane that each goes down."""
        return [
            (lane, self._world.parcel(batch, wire=lane.outlet.wire))
            for batch in self._world.batches(tick)
            for lane in self._lanes
            if self._order.shard.takes(batch.tenant, tick, len(self._world.tenants))
            and batch.signal in lane.outlet.signals
            and batch not in lane.settled
            and not lane.delivery.gave_up
        ]

    def _count(self, tick: int) -> int:
        """Items of a tick by the plan: this shard's, or all where this process answers for the whole run."""
        world, shard = self._world, self._order.shard
        tenants = len(world.tenants)
        return sum(
            world.count(tenant, signal, tick)
            for outlet in self._order.outlets
            for signal in outlet.signals
            for tenant in range(tenants)
            if not shard.part or shard.takes(tenant, tick, tenants)
        )

    def _send_ticks(self) -> None:
        world, stop, tick_s = self._world, self._context.stop, self._world.tick_ns / 1e9
        for tick in range(world.ticks):
            began = time.monotonic()
            # Made before it is due: what a batch says depends on the schedule alone.
            parcels = self._parcels(tick)
            self.planned += self._count(tick)
            if self._order.paced:
                # How far behind this process would be with a sink that takes everything at once.
                self.late_s = max(0.0, self.late_s + time.monotonic() - began - tick_s)
                self._wait_until(self._origin + (tick + 1) * tick_s)
            offered = time.monotonic()
            for lane, parcel in parcels:
                if (wait_s := held_back_s(self._faults, self._order.seed, parcel.batch)) > 0:
                    heapq.heappush(self._held, (time.monotonic() + wait_s, next(self._order_held), lane, parcel))
                else:
                    lane.delivery.submit(parcel, stop)
            self._send_spoilt(tick, parcels)
            # A process that was stopped for a while was not held up by the sink: no tick counts for more than a few.
            self._blocked_s += min(time.monotonic() - offered, _BLOCKED_TICKS * tick_s)
            if self._order.paced:
                self._say_behind(time.monotonic() - self._origin - (tick + 1) * tick_s)
            if stop.is_set() or all(lane.delivery.gave_up for lane in self._lanes):
                return
            self._resend(time.monotonic())

    def _say_behind(self, behind_s: float) -> None:
        """behind_s: after the time at which the tick was due, its last request found room in its queue. What the sink did not
        cause, such as a late start of this process, is not meant."""
        behind_s = min(behind_s, self._blocked_s)
        self.behind_s, now = max(0.0, behind_s), time.monotonic()
        if behind_s > _BEHIND_S and now - self._said_behind > _SAID_EVERY_S:
            self._said_behind = now
            self._context.log(
                f"the sink takes less than it is sent: {behind_s:.1f} s behind the schedule", level="warning"
            )

    def _send_spoilt(self, tick: int, parcels: Sequence[tuple[_Lane, Parcel]]) -> None:
        """Made of requests of one tenant, another one each tick: so each is sent by one shard, whichever that is."""
        if self._tempted is None:
            return
        kinds = due(self._faults, tick, self._world.tick_ns / 1e9)
        turn, victim = divmod(tick, len(self._world.tenants))
        own = [
            parcel for lane, parcel in parcels if lane is self._lanes[self._tempted] and parcel.batch.tenant == victim
        ]
        for kind in kinds if own else ():
            self._spoiler.send(kind, spoil(self._faults, kind, own, turn))

    def _wait_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0 and not self._context.stop.wait(min(left, 0.05)):
            self._resend(time.monotonic())

    def _send_sentinels(self) -> None:
        """Also after a stop, as far as the patience reaches: then an audit need not wait for its deadline."""
        over = _Patience(self)
        self.planned += self._count(self._world.ticks)
        for lane, parcel in self._parcels(self._world.ticks):
            lane.delivery.submit(parcel, over)

    def _drain(self) -> None:
        """Wait until nothing is on its way, what is sent again included; after a stop, no longer than the patience."""
        while not self.out_of_patience():
            if all(lane.delivery.idle for lane in self._lanes):
                if not self._again and not self._held:
                    return
                self._resend(float("inf"))
            time.sleep(0.01)

    @property
    def refusals(self) -> list[Refusal]:
        """What was answered to requests that no platform should take."""
        return self._spoiler.refusals

    def out_of_patience(self) -> bool:
        """Has a stop been asked for so long ago that what is on its way must be left alone?"""
        if not self._context.stop.is_set():
            return False
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + _STOP_PATIENCE_S
        return time.monotonic() > self._give_up_at

    def _resend(self, now: float) -> None:
        """What is to be sent again, and what was held back, by now."""
        over = _Patience(self)
        while self._again and self._again[0][0] <= now:
            _, lane, parcel = self._again.popleft()
            lane.delivery.submit(parcel, over)
        while self._held and self._held[0][0] <= now:
            _, _, lane, parcel = heapq.heappop(self._held)
            lane.delivery.submit(parcel, over)

    def _settled(self, number: int, parcel: Parcel, outcome: Outcome) -> None:
        """Called by sender threads, in the order of answers."""
        if outcome is not Outcome.ACKED or parcel.flags:
            return
        if resends(self._order.scenario, self._order.seed, parcel.batch):
            again = replace(parcel, flags=Flag.RESEND)
            self._again.append((time.monotonic() + _RESEND_AFTER_S, self._lanes[number], again))
        with self._lock:
            if parcel.batch.signal not in self._waiting:
                return
            self._waiting.remove(parcel.batch.signal)
            steady = not self._waiting
        if steady:
            self._context.steady()


def _fates(folder: Path, outlets: int) -> list[Fate]:
    """What became of each request to each sink, by the rows of all shards."""
    return [fate for number in range(outlets) for fate in fates(read_attempts(folder, number)).values()]


def _settled(of: Iterable[Fate]) -> list[Fate]:
    """Those that need no further attempt: what is unknown, refused or absent does."""
    return [fate for fate in of if fate.outcome not in (Outcome.UNKNOWN, Outcome.REFUSED)]


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
    if stopped and not sent.acked:
        return "invalid", "nothing was acknowledged: it was stopped before anything was sent"
    if late_s > _LATE_SHARE * duration_s:
        return "invalid", f"the generator could not keep its schedule: {late_s:.1f} s late; use fewer requests"
    if not stopped and sent.sent != planned:
        return "failed", f"{planned - sent.sent:,} of {planned:,} planned items were not sent"
    return "passed", ""


def pace_of(behind_s: float, duration_s: float, sent: Totals) -> tuple[Verdict, str]:
    """(verdict, why not passed) of a run in which no attempt failed. behind_s: at the end of the schedule."""
    if behind_s <= max(_TOO_FAR_BEHIND_S, _LATE_SHARE * duration_s):
        return "passed", ""
    took, asked = sent.acked / (duration_s + behind_s), sent.sent / duration_s
    return "invalid", (
        f"the sink could not keep the pace: {behind_s:.1f} s behind after {duration_s:g} s, about {took:,.0f} of {asked:,.0f} "
        "items a second; use fewer requests, or more senders"
    )


def run(context: Context, order: Order, folder: Path, crew: Callable[[], Crew] | None = None) -> tuple[Verdict, str]:
    """Play the order and say what became of it; (verdict, why it is not passed). folder: of its ledger."""
    before = None if order.resumed is None else totals(_settled(_fates(folder, len(order.outlets))))
    player = Player(context, order, folder, crew)
    player.play()
    every = player.fates()
    sent = totals(every)
    duration_s = order.duration_s or order.scenario.file.duration
    verdict, why = verdict_of(sent, player.planned, player.late_s, duration_s, stopped=context.stop.is_set())
    if verdict == "passed" and player.crew_complaint:
        verdict, why = "failed", player.crew_complaint
    if verdict == "passed" and not context.stop.is_set() and not player.complaint:
        verdict, why = pace_of(player.behind_s, duration_s, sent)
    if why and player.complaint:
        why += f" (last complaint: {player.complaint})"
    if player.refusals:
        write_json(context.artifacts / "spoilt.json", [asdict(one) for one in player.refusals])
        if verdict == "passed" and (taken := complaint(player.refusals)):
            verdict, why = "failed", taken
    context.events.emit(
        "ledger", kind="sent", ledger=str(player.folder), sent=sent.sent, acked=sent.acked, rejected=sent.rejected,
        unknown=sent.unknown, cpu_s=round(cpu_s() + player.crew_cost[0], 3),
        rss_mb=round(rss_mb() + player.crew_cost[1], 1),
        signals={name: totals(one for one in every if one.batch.signal == name).acked for name in SIGNALS},
        **({} if before is None else {"settled_before": before.sent}),
    )  # fmt: skip
    return verdict, why
