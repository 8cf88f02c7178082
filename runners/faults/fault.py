"""What a kind of fault is, whatever carries the service: a process or a container.

`inject`, `revert` and `verify` work from the journal's record alone: whoever undoes a fault may know nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from runners.faults.record import FaultRecord, Operation

_POLL_S = 0.01


class Refused(Exception):
    """The fault may not or cannot be injected; nothing was done."""


class Ineffective(Exception):
    """The fault was injected but no effect could be proved."""


class Fault(Protocol):
    """One kind. heals: the service is expected to come back by itself, without a revert."""

    name: str
    summary: str
    heals: bool
    inject_operations: tuple[Operation, ...]
    revert_operations: tuple[Operation, ...]

    def prove(self, record: FaultRecord) -> None:
        """Is the inverse possible from here? Raises Refused; changes nothing."""
        ...

    def inject(self, record: FaultRecord, save: Callable[[FaultRecord], FaultRecord]) -> FaultRecord:
        """Apply it; `save` makes a changed record durable before anything relies on it."""
        ...

    def landed(self, record: FaultRecord) -> bool:
        """Has the injection that was handed over been carried out? Raises SupervisorError."""
        ...

    def effect(self, record: FaultRecord) -> str:
        """What proves that the fault is in force. Raises Ineffective."""
        ...

    def revert(self, record: FaultRecord) -> None:
        """Idempotent. Raises SupervisorError or OSError; the caller tries again."""
        ...

    def verify(self, record: FaultRecord) -> bool:
        """Looks at the target itself, not at what `revert` returned."""
        ...

    def gone(self, record: FaultRecord) -> str | None:
        """Why nothing of the fault can exist any more; None when it may."""
        ...


def until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Asked every ten milliseconds; False when it did not become true in time."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_S)
    return True
