"""What the events of one stage run add up to: a pure fold, the same for every reader of the same file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runners.events import Event


@dataclass
class Facts:
    """seq: next expected; gap: a number was missing; plan: None until announced; steady_ns: monotonic clock, ns.

    reported: outcome of each finished test; injected: faults by id, as announced; reverted: ids.
    """

    seq: int = 0
    gap: bool = False
    plan: list[str] | None = None
    reported: dict[str, str] = field(default_factory=dict)
    steady_ns: int | None = None
    verdict: str | None = None
    reason: str | None = None
    injected: dict[str, Event] = field(default_factory=dict)
    reverted: set[str] = field(default_factory=set)

    def take(self, event: Event) -> None:
        """Fold one event."""
        if event["seq"] != self.seq:
            self.gap = True
        self.seq = event["seq"] + 1
        match event["type"]:
            case "run.started":
                self.plan = [str(test) for test in event.get("plan", [])]
            case "phase" if event.get("name") == "steady" and self.steady_ns is None:
                self.steady_ns = int(event["mono_ns"])
            case "test.finished":
                self.reported[str(event.get("id"))] = str(event.get("outcome"))
            case "fault.injected":
                self.injected[str(event.get("id"))] = event
            case "fault.reverted":
                self.reverted.add(str(event.get("id")))
            case "run.finished":
                self.verdict, self.reason = event.get("verdict"), event.get("reason")

    @classmethod
    def of(cls, events: Iterable[Event]) -> Facts:
        """All events of a file."""
        facts = cls()
        for event in events:
            facts.take(event)
        return facts
