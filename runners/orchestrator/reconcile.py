"""At the start of every command: bring back coordinators that died. Costs one directory scan when nothing is live."""

from __future__ import annotations

import os

from runners.lib import locks
from runners.lib.home import Home


def reconcile(home: Home) -> list[str]:
    """Start the coordinator of every unfinished run whose lock is free; returns their ids. Repairs nothing else."""
    try:
        runs = sorted(os.listdir(home.live))
    except FileNotFoundError:
        return []
    revived = []
    for run in runs:
        if locks.held(home.run(run) / "coord.lock"):
            continue
        from runners.orchestrator.starting import start_coordinator

        if start_coordinator(home, run):
            revived.append(run)
    return revived
