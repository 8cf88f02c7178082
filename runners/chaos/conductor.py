"""What the activities of a running experiment work with: one injector, one prober, one place that tells what happened."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from runners.chaos.experiment import Experiment
from runners.chaos.interrupt import Interrupt
from runners.chaos.outcome import Outcome
from runners.chaos.progress import Tests
from runners.faults import health
from runners.faults.injection import Injector
from runners.faults.kinds import Ineffective, Refused, kind_of
from runners.faults.record import FaultRecord
from runners.faults.safety import MARGIN_S
from runners.faults.services import Stack
from runners.faults.watchdog import NoWatchdog
from runners.probes import Prober, assess
from runners.probes.prober import CADENCE_S, TIMEOUT_S
from runners.probes.recovery import STABLE, steady
from runners.suite import Context

_POLL_S = 0.025
_STEADY_ATTEMPTS = 10
_FRESH_S = 2 * TIMEOUT_S  # an older success tells nothing of now: the prober itself may be dead
# A hang shows only when an attempt gives up: so long after the fault, "nothing failed" is known.
_QUIET_S = TIMEOUT_S + (STABLE + 1) * CADENCE_S


@dataclass
class Conductor:
    """One per process; `current` is how the functions that chaoslib imports find it.

    patient: after the fault, other services than the broken one may need the objective's time to be well again.
    """

    context: Context
    experiment: Experiment
    stack: Stack
    injector: Injector
    prober: Prober
    interrupt: Interrupt
    tests: Tests
    patient: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def baseline(self, patience_s: float = 10.0) -> bool:
        """Wait until the prober has seen its share of successes in a row, and lately; False when it has not in time."""
        end = time.monotonic() + patience_s
        while not steady(self.prober.attempts(), _STEADY_ATTEMPTS, since=time.time() - _FRESH_S):
            if time.monotonic() > end or self.interrupt.over.wait(_POLL_S):
                return False
        return True

    def begun(self) -> bool:
        """Has any fault been injected?"""
        return any(outcome.injected for outcome in self.outcomes)

    def wait_for_others(self) -> None:
        """From now on health probes wait until their service is well."""
        self.patient = True

    def probe(self, probe: str, target: str | None) -> bool:
        """The steady-state probes: `write` looks at the last attempts of the prober, `health` asks a service."""
        if probe == "write":
            if self.prober.request.name != "write":
                raise Refused("this experiment measures recovery by health: there is no write probe")
            return self.baseline(2.0)
        found = self.stack.service(str(target))
        end = time.monotonic() + (self.experiment.extension.recovery.objective if self.patient else 0.0)
        while not (healthy := health.check(found.health).healthy) and time.monotonic() < end:
            if self.interrupt.over.wait(_POLL_S):
                break
        return healthy

    def inject(self, fault: str, target: str, ttl_s: float, hold_s: float) -> dict[str, Any]:
        """Inject, hold, revert, wait for recovery. Raises Refused, Ineffective, NoWatchdog: nothing is left then."""
        outcome = Outcome(fault, target)
        self.tests.begin("inject")
        with self._lock:
            self.outcomes.append(outcome)
        with self.interrupt.shielded():
            try:
                if self.interrupt.stop.is_set():
                    raise Refused("the stage was stopped before this fault")
                record = self.injector.inject(fault, target, ttl_s)
            except (Refused, Ineffective, NoWatchdog) as error:
                outcome.problem = str(error)
                self.context.events.emit("fault.failed", fault=fault, target=target, reason=str(error))
                raise
            finally:
                self.tests.end("inject")
            self.tests.begin("recovery")
            outcome.record = record
            self.context.events.emit(
                "fault.injected", id=record.id, fault=fault, target=target, effect=record.effect,
                injected_at=record.injected_at, ttl_s=ttl_s, deadline=record.deadline,
            )  # fmt: skip
            # Shielded to the revert: these waits end by themselves.
            whole = self._hold(record, hold_s)
            revert_began = time.time()
            outcome.record = record = self._end(record)
            if not whole:
                outcome.cut = f"reverted by {record.by} before its {hold_s:g} s were over"
        self._recovered(outcome, record, revert_began)
        return {"id": record.id, "effect": record.effect, "state": record.state, "reverted_at": record.reverted_at}

    def _hold(self, record: FaultRecord, hold_s: float) -> bool:
        """False when somebody else has taken a fault back that was to be held."""
        last = record.deadline_boot - min(MARGIN_S, record.ttl_s / 2)
        heals = kind_of(record).heals
        end = last if heals else min(last, time.clock_gettime(time.CLOCK_BOOTTIME) + hold_s)
        # A stop ends a hold, but not the wait for a service that comes back by itself.
        waker = self.interrupt.over if heals else self.interrupt.stop
        while time.clock_gettime(time.CLOCK_BOOTTIME) < end and not waker.wait(_POLL_S):
            if heals and self.injector.healed(record):
                return True
            if not self.injector.in_force(record):
                return heals
        return True

    def _end(self, record: FaultRecord) -> FaultRecord:
        record = self.injector.end(record)
        if record.state == "REVERTED":
            self.context.events.emit(
                "fault.reverted", id=record.id, fault=record.fault, target=record.target, by=record.by,
                reverted_at=record.reverted_at, attempts=record.attempts,
                **({"reason": record.reason} if record.reason else {}),
            )  # fmt: skip
        else:
            self.context.events.emit(
                "fault.failed", id=record.id, fault=record.fault, target=record.target, reason=record.reason
            )
        return record

    def end_all(self) -> None:
        """Whatever of this run is still open, whoever was interrupted."""
        for record in self.injector.end_all():
            self.context.events.emit(
                "fault.reverted" if record.state == "REVERTED" else "fault.failed",
                id=record.id, fault=record.fault, target=record.target, by=record.by,
                reverted_at=record.reverted_at, reason=record.reason,
            )  # fmt: skip
            for outcome in self.outcomes:
                if outcome.record is not None and outcome.record.id == record.id:
                    outcome.record = record

    def _recovered(self, outcome: Outcome, record: FaultRecord, revert_began: float) -> None:
        """Wait until the prober has seen service again, or that nothing ever failed, or the objective is past.

        revert_began: from this moment on the service under a held fault may recover.
        """
        assert record.injected_at is not None
        heals = kind_of(record).heals
        ended = record.reverted_at or time.time()
        counted_from = record.injected_at if heals else revert_began
        limit = counted_from + self.experiment.extension.recovery.objective
        while True:
            found = assess(
                self.prober.attempts(), record.injected_at,
                not_before=None if heals else revert_began, until=max(ended + _QUIET_S, limit),
            )  # fmt: skip
            now = time.time()
            if found.recovered_at is not None or (not found.symptom and now > ended + _QUIET_S):
                break
            # Past the objective the attempts under way still count, so that "not recovered" is certain.
            if now > max(limit, ended) + _QUIET_S or self.interrupt.over.wait(_POLL_S):
                break
        self.tests.end("recovery")
        outcome.recovery = found
        outcome.after_s = None if found.recovered_at is None else max(0.0, found.recovered_at - counted_from)
        self.context.events.emit(
            "recovery", id=record.id, fault=record.fault, target=record.target, probe=self.prober.request.name,
            time_to_detect_s=_rounded(found.time_to_detect_s), time_to_recover_s=_rounded(found.time_to_recover_s),
            recover_after_fault_s=_rounded(outcome.after_s), symptom=found.symptom,
            symptom_at=found.symptom_at, detected_at=found.detected_at, recovered_at=found.recovered_at,
            answered_at=found.answered_at, failed_attempts=found.failed, relapses=found.relapses,
        )  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


_current: Conductor | None = None


def current() -> Conductor:
    """The conductor of this process. Raises Refused outside of a chaos run."""
    if _current is None:
        raise Refused("testbed activities work only inside 'testbed chaos run' or a campaign")
    return _current


def appoint(conductor: Conductor | None) -> None:
    """Set or clear the conductor of this process."""
    global _current  # noqa: PLW0603  (chaoslib calls functions by module path: there is no other way to hand it over)
    _current = conductor
