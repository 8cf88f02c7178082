"""What the generator costs beside a system under test, and that it keeps its pace and its memory: whole runs, ledger included."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from tests.perf._awake import awake
from tests.perf._sink import sink
from tests.perf.harness import Round, case, cpu_of

_MIB = 1 << 20
_PACED = """
scenario: paced
duration: {seconds}s
tenants: [{{id: acme}}]
instances: 3
load: {{requests: 2300/s}}
metrics: {{interval: 1s, series: 50000}}
"""
_LONG = """
scenario: long
duration: {seconds}s
tenants: [{{id: acme}}]
instances: 3
load: {{requests: 1000/s}}
metrics: {{interval: 1s, series: 100000}}
delivery: {{max_items: 5000}}
"""


def _run(scenario: str, to: str, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.perf._play", scenario, to, *options], check=True, capture_output=True, timeout=600
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@cache
def _paced(quick: bool, *, alone: bool = False) -> dict[str, Any]:
    """20,000 spans, 21,000 log records and 50,000 samples a second, each second at once, in requests of 3,500 at most, gzip.

    alone: nothing else is on the machine, which sleeps between the seconds."""
    with sink() as to, nullcontext() if alone else awake():
        return _run(_PACED.format(seconds=3 if quick else 20), f"http://{to.address}", "paced")


@case("datagen_paced", unit="of a core", at_most=0.10)
def paced(quick: bool) -> Iterator[Round]:
    """As beside a system under test."""
    yield from _seconds(_paced(quick), quick)


@case("datagen_paced_alone", unit="of a core")
def paced_alone(quick: bool) -> Iterator[Round]:
    """No bar: mostly what it costs to wake the machine."""
    yield from _seconds(_paced(quick, alone=True), quick)


def _seconds(of: dict[str, Any], quick: bool) -> Iterator[Round]:
    """Seconds of the run; the first two make most stencils and are left out."""
    for before, after in pairwise(of["cpu"][1 if quick else 2 : -1]):
        yield Round(after - before)


@case("datagen_paced_slept", unit="ms")
def paced_slept(quick: bool) -> Iterator[Round]:
    """Reading a MiB that nobody touched for a second, 0.01 ms where the host leaves memory alone. No bar: it is the machine's,
    and on one where it is more than a millisecond the paced run mostly waits for its own memory."""
    memory = np.ones(_MIB, np.uint8)
    for _ in range(2 if quick else 5):
        time.sleep(1)
        yield Round(1000 * cpu_of(memory.max))


@case("datagen_paced_rss", unit="MiB", at_most=150)
def paced_rss(quick: bool) -> Iterator[Round]:
    yield Round(max(_paced(quick)["rss"]) / _MIB)


@case("datagen_paced_rate", unit="of the rate asked for", at_most=0.01)
def paced_rate(quick: bool) -> Iterator[Round]:
    """By how much the rate differs; everything that was sent must have been acknowledged."""
    run, seconds = _paced(quick), 3 if quick else 20
    assert run["sent"] == run["acked"], run
    yield Round(abs(seconds / run["seconds"] - 1))


@case("datagen_paced_late", unit="ms")
def paced_late(quick: bool) -> Iterator[Round]:
    """How long after the end of its tick the middle request leaves: all of a second's leave together. No bar: the machine's."""
    yield Round(_paced(quick)["late_ms"])


@cache
def _long(quick: bool) -> dict[str, Any]:
    """More than 100 million items to nowhere: samples for the most part, with the spans and log records of 1,000 requests a
    second."""
    return _run(_LONG.format(seconds=20 if quick else 900), "null:")


@case("datagen_long_rss", unit="MiB", at_most=300, large=True)
def long_rss(quick: bool) -> Iterator[Round]:
    run = _long(quick)
    assert run["sent"] == run["acked"] and (quick or run["acked"] > 100_000_000), run
    yield Round(max(run["rss"]) / _MIB)


@case("datagen_long_growth", unit="MiB", at_most=10, large=True)
def long_growth(quick: bool) -> Iterator[Round]:
    """Flat: how much more it is in the middle of the last quarter of the run than in the middle of the second."""
    rss = _long(quick)["rss"]
    quarter = max(1, len(rss) // 4)
    yield Round(max(0.0, median(rss[-quarter:]) - median(rss[quarter : 2 * quarter])) / _MIB)


@case("datagen_start", unit="CPU s", at_most=0.3)
def start(quick: bool) -> Iterator[Round]:
    """A new process until its first request of spans is encoded; its modules are compiled, as after the first start of an
    installation. Telemetrygen's takes milliseconds: not to be reached."""
    program = "from tests.perf._start import first; first()"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for number in range(3 if quick else 12):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if number:
            yield Round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
