"""When faults were in force: the one place that turns them into the phases `before`, `fault` and `after`."""

from __future__ import annotations

from collections.abc import Iterable

Window = tuple[float, float]


def fault_windows(faults: Iterable[Window]) -> list[Window]:
    """Half-open windows, in order and without overlap, from (injected, over) of each fault."""
    merged: list[Window] = []
    for begin, end in sorted(faults):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged
