"""OpenTelemetry's telemetrygen (Go) as a peer."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from runners.ledger.items import Signal
from tests.perf._plain import VALUE
from tests.perf.harness import Absent

if TYPE_CHECKING:
    from tests.perf._sink import Sink


def telemetrygen() -> str:
    places = os.pathsep.join(filter(None, (os.environ.get("TESTBED_BIN_DIR"), os.environ.get("PATH"))))
    found = shutil.which("telemetrygen", path=places)
    if found is None:
        raise Absent("telemetrygen is neither on PATH nor in TESTBED_BIN_DIR (go install it, v0.161.0)")
    return found


def peer(to: Sink, signal: Signal, number: int, *, batch: int, attributes: int, gzip: bool) -> float:
    """Items that came per CPU second of telemetrygen, its start left out: two runs, the difference counts."""
    points = [_run(to, signal, items, batch, attributes, gzip=gzip) for items in (number // 10, number)]
    (few, less), (many, more) = points
    if many <= few or more <= less:
        raise RuntimeError(f"telemetrygen: {few} items in {less:.3f} CPU s, {many} in {more:.3f}: no rate can be told")
    return (many - few) / (more - less)


def peer_whole(to: Sink, number: int) -> float:
    """Spans of its own content that came per CPU second of telemetrygen, its start included."""
    came, took = _run(to, "traces", number, 512, 0, gzip=False)
    return came / took


def _run(to: Sink, signal: Signal, number: int, batch: int, attributes: int, *, gzip: bool) -> tuple[int, float]:
    """(items that came, CPU seconds)."""
    command = [
        telemetrygen(), signal, "--otlp-http", "--otlp-insecure", "--otlp-endpoint", to.address, "--rate", "0",
        "--workers", "1", "--interval", "60s", "--batch-size", str(batch),
    ]  # fmt: skip
    command += ["--traces", str(number // 2)] if signal == "traces" else ["--logs", str(number)]
    for index in range(attributes):
        command += ["--telemetry-attributes", f'app.attribute.{index}="{VALUE.format(index)}"']
    # With its default queue it loses half of the spans and counts them all the same.
    environment = os.environ | {"OTEL_BSP_MAX_QUEUE_SIZE": "2000000"}
    if gzip:
        environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
    to.take()
    before = children_s()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    return _counted(to), children_s() - before


def children_s() -> float:
    """CPU seconds of all processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _counted(to: Sink) -> int:
    found, quiet = 0, 0
    while quiet < 3:
        more = to.take()["items"]
        found, quiet = found + more, 0 if more else quiet + 1
        time.sleep(0.02)
    return found
