"""A stage is over when its faults are: wait for its watchdog, revert what a proven dead watchdog left, report it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runners.lib.home import Environment
from runners.orchestrator.facts import Facts

if TYPE_CHECKING:
    from runners.faults.record import FaultRecord


@dataclass
class Settlement:
    """The faults of one stage run. `step` is asked every tick; a revert may take seconds, so a thread does it.

    problem: why a fault could not be undone; it stays open for `testbed chaos recover`.
    """

    environment: Environment
    run: str
    problem: str | None = None
    records: list[FaultRecord] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _error: Exception | None = None

    def step(self) -> bool:
        """True when nothing is left to wait for; then `records` and `problem` are final."""
        if not self.environment.journal.is_dir():
            return True
        from runners.faults import journal

        if self._thread is not None:
            if self._thread.is_alive():
                return False
            self._thread.join()
            self._thread = None
            if self._error is not None:
                self.problem = f"a fault could not be undone: {self._error}"
        # The lock is the proof: as long as it is held, its watchdog reverts and nobody else.
        if journal.watched(self.environment.journal, self.run):
            return False
        self.records = journal.entries(self.environment.journal, self.run)
        pending = [record for record in self.records if record.open and record.state != "FAILED"]
        if pending and self.problem is None:
            self._thread = threading.Thread(target=self._revert, args=(pending,), name="settle", daemon=True)
            self._thread.start()
            return False
        if failed := [record for record in self.records if record.state == "FAILED"]:
            self.problem = f"{failed[0].fault} of {failed[0].target} could not be undone: {failed[0].reason}"
        return True

    def _revert(self, records: list[FaultRecord]) -> None:
        from runners.faults import recover

        try:
            for record in records:
                recover.settle(self.environment.journal, record, "recover")
        except Exception as error:
            self._error = error


def unreported(records: list[FaultRecord], facts: Facts) -> list[tuple[str, dict[str, Any]]]:
    """(type, fields) of what the runner could not say any more: that a fault was injected, and who reverted it."""
    said: list[tuple[str, dict[str, Any]]] = []
    for record in records:
        what = {"id": record.id, "fault": record.fault, "target": record.target}
        if record.injected_at is None:
            continue  # planned only: it was never in force
        if record.id not in facts.injected:
            fields = {"effect": record.effect, "injected_at": record.injected_at, "ttl_s": record.ttl_s}
            said.append(("fault.injected", what | fields))
        if record.state == "REVERTED" and record.id not in facts.reverted:
            said.append(("fault.reverted", what | {"by": record.by, "reverted_at": record.reverted_at}))
        if record.state == "FAILED":
            said.append(("fault.failed", what | {"reason": record.reason}))
    return said
