"""One fault from plan to revert, as its runner does it: rules, journal, injection, proof of effect, undoing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from runners.faults import audit, journal, safety, watchdog
from runners.faults.kinds import Fault, Ineffective, Refused, guards, kind_of, kinds_of
from runners.faults.record import FaultRecord
from runners.faults.recover import settle
from runners.faults.safety import DEFAULT_TTL_S, Limits
from runners.faults.services import Stack
from runners.faults.supervisor import SupervisorError
from runners.lib import locks
from runners.lib.ids import new_run_id


def plan(stack: Stack, run: str, fault: str, target: str, ttl_s: float = DEFAULT_TTL_S) -> FaultRecord:
    """The fault with its inverse and the identities it rests on; nothing is touched. Raises Refused, NotReady."""
    kind = _kind(stack, fault)
    service = stack.service(target)
    now = time.time()
    record = FaultRecord(
        id=new_run_id(), run=run, environment=stack.environment.name, fault=fault, target=target, state="PLANNED",
        ttl_s=safety.check_ttl(ttl_s), planned_at=now, deadline=now + ttl_s,
        deadline_boot=time.clock_gettime(time.CLOCK_BOOTTIME) + ttl_s,
        inject=kind.inject_operations, revert=kind.revert_operations,
        guards=guards(stack, service), access=stack.access(service),
    )  # fmt: skip
    if not record.revert:
        raise Refused(f"{fault} has no inverse")
    kind.prove(record)
    return record


def _kind(stack: Stack, fault: str) -> Fault:
    if (kind := kinds_of(stack).get(fault)) is None:
        raise Refused(f"there is no fault '{fault}'")
    return kind


@dataclass
class Injector:
    """Injects for one run. Starts the watchdog before the first fault. Use from one thread at a time per fault.

    notes: what every entry of the audit log says beside the rest.
    """

    stack: Stack
    run: str
    limits: Limits = field(default_factory=Limits)
    notes: Mapping[str, object] = field(default_factory=dict)
    _armed: bool = False

    def arm(self) -> None:
        """Start the watchdog. Raises watchdog.NoWatchdog."""
        if not self._armed:
            watchdog.start(self.stack.environment.journal, self.run)
            self._armed = True

    def inject(self, fault: str, target: str, ttl_s: float = DEFAULT_TTL_S) -> FaultRecord:
        """Returns the ACTIVE record with its proved effect.

        Raises Refused (nothing was done) or Ineffective (undone again: an injection without effect is an error).
        """
        service = self.stack.service(target)
        try:
            self.arm()
            safety.check(self.stack, self.run, fault, service, self.limits)
            record = plan(self.stack, self.run, fault, target, ttl_s)
        except Refused as error:
            self._note("refuse", str(error), fault, target)
            raise
        self._note("inject", "planned", fault, target, id=record.id, ttl_s=ttl_s)
        return self._apply(kind_of(record), self._save(record))

    def _apply(self, kind: Fault, record: FaultRecord) -> FaultRecord:
        # Under the fault's lock: whoever reverts by hand meanwhile waits until it is wholly in.
        fd = locks.open_lock(journal.lock_path(self.stack.environment.journal, record.id))
        try:
            locks.wait_lock(fd)
            current = journal.read(self.stack.environment.journal, record.id)
            if current is None or current.state != "PLANNED":
                raise Refused(f"{record.fault} on {record.target} was taken back before it went in")
            started = time.time()
            record = kind.inject(record, self._save)
            effect = kind.effect(record)
            record = self._save(record.with_(state="ACTIVE", injected_at=started, effect=effect))
        except (Ineffective, SupervisorError, OSError) as error:
            os.close(fd)
            fd = -1
            self._note("inject", f"ineffective: {error}", record.fault, record.target, id=record.id)
            self.end(record)
            raise Ineffective(str(error)) from None
        finally:
            if fd >= 0:
                os.close(fd)
        self._note("inject", effect, record.fault, record.target, id=record.id)
        return record

    def healed(self, record: FaultRecord) -> bool:
        """Has the service come back, judged by the target itself?"""
        return kind_of(record).verify(record)

    def in_force(self, record: FaultRecord) -> bool:
        """False when somebody else has reverted it meanwhile ('testbed chaos revert', the halt lever)."""
        current = journal.read(self.stack.environment.journal, record.id)
        return current is not None and current.open

    def end(self, record: FaultRecord) -> FaultRecord:
        """Revert and verify; returns the record, REVERTED or FAILED."""
        return settle(self.stack.environment.journal, record, "runner")

    def end_all(self) -> list[FaultRecord]:
        """Settle whatever of this run is still open."""
        return [self.end(record) for record in journal.open_entries(self.stack.environment.journal, self.run)]

    def _save(self, record: FaultRecord) -> FaultRecord:
        return journal.write(self.stack.environment.journal, record)

    def _note(self, action: str, result: str, fault: str, target: str, **fields: object) -> None:
        known = {"run": self.run, "fault": fault, "target": target} | dict(self.notes) | fields
        audit.append(self.stack.environment, action, result, **known)
