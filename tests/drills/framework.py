"""What every drill is made of: named trials, one line each, a state file to go on from, a table at the end."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

STATE = Path(".build/drills")


@dataclass
class Result:
    """wrong: the sentences of the specification that did not hold; figures: what was measured."""

    wrong: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Bench(Protocol):
    """An opened drill: does trials one after another, cleans up when it is left."""

    def trial(self, key: str, rng: random.Random) -> Result: ...


@dataclass(frozen=True)
class Drill:
    """rounds: how often each case is tried by default; keys: of the trials (`case/number`) for so many rounds."""

    name: str
    about: str
    rounds: int
    keys: Callable[[int], list[str]]
    open: Callable[[], AbstractContextManager[Bench]]


@dataclass(frozen=True)
class Line:
    """One trial as it is printed and kept."""

    drill: str
    trial: str
    holds: bool
    wrong: list[str]
    figures: dict[str, Any]
    seconds: float
    commit: str


def commit() -> str:
    """What the figures are about; a changed checkout is told by a `+`."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def perform(
    drill: Drill, *, rounds: int | None, fresh: bool, tell: Callable[[Line], None], cases: str = "*"
) -> list[Line]:
    """All trials of a drill but those that an interrupted call has already done on this commit. cases: a pattern of the
    trials that are wanted, as of file names."""
    state = STATE / f"{drill.name}.jsonl"
    state.parent.mkdir(parents=True, exist_ok=True)
    if fresh:
        state.unlink(missing_ok=True)
    now = commit()
    done = {line.trial: line for line in _read(state) if line.commit == now}
    keys = [key for key in drill.keys(rounds or drill.rounds) if fnmatch(key, f"{cases}/*") or fnmatch(key, cases)]
    lines = [done[key] for key in keys if key in done]
    for line in lines:
        tell(line)
    todo = [key for key in keys if key not in done]
    if not todo:
        return lines
    with drill.open() as bench:
        for key in todo:
            line = _try(bench, drill.name, key, now)
            with state.open("a") as file:
                file.write(json.dumps(asdict(line)) + "\n")
            tell(line)
            lines.append(line)
    return lines


def _try(bench: Bench, drill: str, key: str, now: str) -> Line:
    begin = time.monotonic()
    try:
        result = bench.trial(key, random.Random(f"{drill}/{key}"))
    except Exception as error:  # the drill goes on: the next trial may tell more
        result = Result([f"the drill itself: {type(error).__name__}: {error}"])
    seconds = round(time.monotonic() - begin, 1)
    return Line(drill, key, not result.wrong, result.wrong, result.figures, seconds, now)


def _read(state: Path) -> Iterator[Line]:
    if not state.exists():
        return
    for text in state.read_text().splitlines():
        try:
            yield Line(**json.loads(text))
        except (ValueError, TypeError):
            continue  # half a line of an interrupted call


def table(lines: list[Line]) -> str:
    """Trials, holding ones and times by case."""
    cases: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        cases.setdefault((line.drill, line.trial.partition("/")[0]), []).append(line)
    rows = [f"{'drill':<12} {'case':<30} {'trials':>6} {'hold':>5} {'p50 s':>7} {'max s':>7}"]
    for (drill, case), some in cases.items():
        times = sorted(line.seconds for line in some)
        held = sum(line.holds for line in some)
        rows.append(f"{drill:<12} {case:<30} {len(some):>6} {held:>5} {times[len(times) // 2]:>7.1f} {times[-1]:>7.1f}")
    held = sum(line.holds for line in lines)
    return "\n".join([*rows, f"{held} of {len(lines)} trials hold"])


@contextmanager
def finally_do(act: Callable[[], None]) -> Iterator[None]:
    """Clean up whatever happens; what goes wrong there is said, not raised over the cause."""
    try:
        yield
    finally:
        try:
            act()
        except Exception as error:
            print(f"cleaning up: {error}", file=sys.stderr)
