"""How long a run took, from its own events."""

from __future__ import annotations

from runners.lib.home import Home
from runners.orchestrator.journal import EVENTS
from runners.orchestrator.tail import Tail


def duration_of(home: Home, run: str) -> float | None:
    """Seconds from `run.started` to the last event; None before the run has started."""
    tail = Tail(home.run(run) / EVENTS)
    events = tail.read()
    tail.close()
    begun = next((event["ts"] for event in events if event["type"] == "run.started"), None)
    return None if begun is None else float(events[-1]["ts"]) - float(begun)
