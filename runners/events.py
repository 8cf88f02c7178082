"""The event protocol: one JSON object a line, from a runner through its shim into `runs/<id>/events.jsonl`.

A runner writes bodies without `v`, `seq`, `run` and `stage`: the shim, the only writer of the file, puts these in
front. Writing goes through a bounded queue and a writer thread, so that a slow disk does not falsify a latency.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Event = dict[str, Any]
VERSION = 1
MAX_LINE = 256 * 1024
EVENTS_FD = "TESTBED_EVENTS_FD"


def body(type_: str, **fields: Any) -> bytes:
    """One event as the shim expects it: a JSON object with ts (Unix seconds), mono_ns and type first."""
    head = {"ts": round(time.time(), 6), "mono_ns": time.monotonic_ns(), "type": type_}
    return json.dumps(head | fields, ensure_ascii=False, separators=(",", ":"), default=str).encode()


class Emitter:
    """Sends events to the shim; one thread writes, so `emit` returns at once.

    Only metric points may be merged when the queue is full (their number is then reported as `merged_points` in the
    next event that goes out); for every other type `emit` waits.
    """

    def __init__(self, fd: int | None = None, *, limit: int = 4096) -> None:
        """fd: where to write; default the descriptor named in TESTBED_EVENTS_FD, else standard output."""
        if fd is None:
            fd = int(os.environ.get(EVENTS_FD, "1"))
            os.set_inheritable(fd, False)  # children must not hold the pipe open
        self._fd = fd
        self._queue: queue.Queue[bytes | None] = queue.Queue(limit)
        self._held: list[dict[str, Any]] = []
        self._merged = 0
        self._thread = threading.Thread(target=self._drain, name="events", daemon=True)
        self._thread.start()

    def emit(self, type_: str, **fields: Any) -> None:
        self._queue.put(body(type_, **fields))

    def points(self, many: Sequence[Mapping[str, Any]]) -> None:
        """One `metric.points` line for several series: each item is `{series, t: [Unix seconds], v: [...]}`."""
        items = [*self._held, *(dict(item) for item in many)]
        fields: dict[str, Any] = {"many": items}
        if self._merged:
            fields["merged_points"] = self._merged
        try:
            self._queue.put_nowait(body("metric.points", **fields))
            self._held, self._merged = [], 0
        except queue.Full:
            self._held = items[-10_000:]
            self._merged += 1

    def close(self) -> None:
        """Write all that waits, then stop."""
        if self._held:
            self._queue.put(body("metric.points", many=self._held, merged_points=self._merged))
            self._held = []
        self._queue.put(None)
        self._thread.join()

    def _drain(self) -> None:
        while (line := self._queue.get()) is not None:
            if len(line) >= MAX_LINE:
                line = body(
                    "log",
                    level="warn",
                    message="event too long, cut",
                    cut=len(line),
                    raw=line[:4096].decode("utf-8", "replace"),
                )
            data = memoryview(line + b"\n")
            while data:
                data = data[os.write(self._fd, data) :]


def iter_points(event: Event) -> Iterator[tuple[str, float, Any]]:
    """(series, t, value) of a `metric.points` event in either form: one series, or `many`."""
    for item in event.get("many") or [event]:
        for t, value in zip(item["t"], item["v"], strict=True):
            yield item["series"], t, value


def series_key(name: str, labels: Mapping[str, str] | None = None) -> str:
    """`name` or `name{a=x,b=y}` with sorted labels: how a series is named in `metric.points`."""
    if not labels:
        return name
    return name + "{" + ",".join(f"{key}={labels[key]}" for key in sorted(labels)) + "}"


def split_series(key: str) -> tuple[str, dict[str, str]]:
    """The inverse of `series_key`."""
    name, _, rest = key.partition("{")
    return name, dict(part.split("=", 1) for part in rest.removesuffix("}").split(",") if part)


def read_events(path: Path | str, offset: int = 0) -> Iterator[Event]:
    """All whole lines of an event file from a byte offset on; a torn last line is left alone."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (may be a path through /proc/self/fd)
            file.seek(offset)
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        return
