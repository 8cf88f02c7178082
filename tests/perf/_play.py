"""A run of the generator in a process of its own, as `testbed data generate` makes it: what it sent and what that cost.

`python -m tests.perf._play SCENARIO SINK [paced]` prints one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from runners.datagen.generate import Order, Player
from runners.datagen.scenario import read_scenario
from runners.datagen.sinks import Outlet
from runners.events import Emitter
from runners.ledger.reader import fates, read_attempts, totals
from runners.suite import Context
from runners.wire.http import HttpSink
from runners.wire.local import NullSink

_EVERY_S = 1.0
_LEAD_NS = 200_000_000


class _Meter:
    """CPU seconds and resident bytes of this process, once a second."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.rss: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        page = os.sysconf("SC_PAGESIZE")
        while True:
            self.cpu.append(time.process_time())
            self.rss.append(int(Path("/proc/self/statm").read_text().split()[1]) * page)
            if self._over.wait(_EVERY_S):
                return


def play(source: bytes, sink: str, *, paced: bool) -> dict[str, Any]:
    """seconds: from the start of the first tick until the last request left; cpu: seconds so far, in each second of the run;
    rss: bytes, likewise; late_ms: how long after the end of its tick the middle request left."""
    scenario = read_scenario(source, Path("bench.yaml"))
    make = NullSink if sink == "null:" else lambda: HttpSink(sink, None)
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("wb") as nowhere:
        spec = {"id": "bench", "stage": "bench", "environment": "bench", "home": folder}
        context = Context(spec, Path(folder), Emitter(nowhere.fileno()))
        order = Order(scenario, 1, time.time_ns() + _LEAD_NS, None, (Outlet("bench", "otlp", make),), paced, "bench")
        origin = time.time_ns()  # the player counts from here
        player = Player(context, order, Path(folder) / "ledger")
        meter = _Meter()
        began = time.monotonic()
        player.play()
        took = time.monotonic() - began
        meter.close()
        context.events.close()
        sent = totals(fates(read_attempts(Path(folder) / "ledger")).values())
        tick_ns = round(scenario.file.tick * 1e9)
        rows = [(attempt.sent_at, attempt.batch.tick) for attempt, _ in read_attempts(Path(folder) / "ledger")]
    ticks = max(tick for _, tick in rows)  # the last one carries the sentinels
    times = [(at, tick) for at, tick in rows if tick < ticks]
    late = [(at - origin - (tick + 1) * tick_ns) / 1e6 for at, tick in times]
    return {
        "sent": sent.sent, "acked": sent.acked, "took": took, "cpu": meter.cpu, "rss": meter.rss,
        "seconds": (max(at for at, _ in times) - origin) / 1e9, "late_ms": statistics.median(late),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(play(sys.argv[1].encode(), sys.argv[2], paced=sys.argv[3:] == ["paced"])))
