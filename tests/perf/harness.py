"""The registry of benchmarks and how one is run and judged.

A case is a function in tests/perf/<area>.py that yields one `Round` after the other: its own figure and that of the
reference, measured one after the other so that both see the same machine:

    @case("point_ingest", unit="points/s", against="executemany of rows", at_least=2.5)
    def point_ingest(quick: bool) -> Iterator[Round]:
        ...
        yield Round(mine, reference)

The ratio is the median of the rounds' ratios (mine / reference). Raise `Absent("reason")` when this machine has no
reference: the bar then neither holds nor fails.
"""

from __future__ import annotations

import importlib
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Run = Callable[[bool], Iterator["Round"]]


class Absent(Exception):
    """What this benchmark is compared with, or needs, is not on this machine."""


@dataclass(frozen=True)
class Round:
    """One measurement. reference: None when the bar is on the value itself."""

    value: float
    reference: float | None = None


@dataclass(frozen=True)
class Case:
    """at_least, at_most: the bar, on the ratio (on the value when there is no reference); both None: no bar."""

    name: str
    run: Run
    unit: str
    against: str | None
    at_least: float | None
    at_most: float | None
    large: bool

    @property
    def bar(self) -> str | None:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return None if self.at_most is None else f"<= {self.at_most:g}"


CASES: dict[str, Case] = {}


def case(
    name: str,
    *,
    unit: str,
    against: str | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    large: bool = False,
) -> Callable[[Run], Run]:
    """Register a benchmark. large: runs only when it is named."""

    def register(run: Run) -> Run:
        if name in CASES:
            raise ValueError(f"benchmark {name} is registered twice")
        CASES[name] = Case(name, run, unit, against, at_least, at_most, large)
        return run

    return register


def load_areas() -> None:
    """Import every module of tests/perf, so that their cases are registered."""
    package = importlib.import_module("tests.perf")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"tests.perf.{module.name}")


def measure(chosen: Case, *, quick: bool) -> dict[str, Any]:
    """Run one case; the line that is printed. A case that breaks is reported with its error and `holds` null."""
    line: dict[str, Any] = {
        "name": chosen.name, "value": None, "unit": chosen.unit, "reference": None, "ratio": None, "bar": chosen.bar,
        "holds": None, "rounds": 0, "spread": None, "against": chosen.against, "quick": quick,
    }  # fmt: skip
    started = time.monotonic()
    try:
        rounds = list(chosen.run(quick))
    except Absent as error:
        return line | {"reason": str(error)}
    except Exception as error:
        return line | {"reason": f"{type(error).__name__}: {error}", "broken": True}
    return line | judged(chosen, rounds) | {"seconds": round(time.monotonic() - started, 1)}


def judged(chosen: Case, rounds: list[Round]) -> dict[str, Any]:
    """value, reference, ratio (medians), spread (lowest and highest round), holds."""
    if not rounds:
        return {"reason": "no round was measured"}
    ratios = [item.value / item.reference for item in rounds if item.reference]
    decisive = ratios or [item.value for item in rounds]
    references = [item.reference for item in rounds if item.reference is not None]
    middle = statistics.median(decisive)
    holds: bool | None = None
    if chosen.at_least is not None:
        holds = middle >= chosen.at_least
    elif chosen.at_most is not None:
        holds = middle <= chosen.at_most
    return {
        "value": _short(statistics.median(item.value for item in rounds)),
        "reference": _short(statistics.median(references)) if references else None,
        "ratio": _short(middle) if ratios else None,
        "holds": holds,
        "rounds": len(rounds),
        "spread": [_short(min(decisive)), _short(max(decisive))],
    } | ({"reason": "no bar is set"} if holds is None else {})


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process for one call: steadier than the clock on a busy machine."""
    before = time.process_time()
    work()
    return time.process_time() - before
