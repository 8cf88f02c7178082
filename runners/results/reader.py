"""An event file read in batches with byte offsets, as the ingest of a finished run needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from runners.events import Event

BATCH = 2000


def batches(path: Path, offset: int = 0, size: int = BATCH) -> Iterator[tuple[list[Event], int]]:
    """(events, offset after them) of whole lines from a byte offset on; a torn last line is left alone.

    A line that is no JSON object becomes an event of type `unreadable`: it is counted, and the rest is read.
    """
    events: list[Event] = []
    try:
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                offset += len(line)
                events.append(_event(line))
                if len(events) == size:
                    yield events, offset
                    events = []
    except FileNotFoundError:
        return
    if events:
        yield events, offset


def events(path: Path) -> Iterator[Event]:
    """All events of a file."""
    for many, _ in batches(path):
        yield from many


def _event(line: bytes) -> Event:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"type": "unreadable", "bytes": len(line)}
