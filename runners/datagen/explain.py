"""`data explain`: what a scenario will do over time, drawn in characters, from the exact counts of its plan."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from runners.datagen.labels import labels
from runners.datagen.scenario import Scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity
from runners.ledger.items import SIGNALS, Signal
from runners.lib.units import format_count, format_duration

_BLOCKS = " ▁▂▃▄▅▆▇█"
_COUNT, _LONGEST_NAME = 12, 20
_ITEMS: dict[Signal, str] = {"logs": "log records", "traces": "spans", "metrics": "samples"}


@dataclass(frozen=True)
class Explanation:
    """counts: items in each column of the drawing, by signal and tenant; columns_s: how long each column is."""

    scenario: Scenario
    duration_s: float
    columns_s: tuple[float, ...]
    counts: dict[Signal, dict[str, tuple[int, ...]]]
    told: dict[str, Any]

    def rates(self, counts: Sequence[int]) -> list[float]:
        """Items a second in each column."""
        return [count / length for count, length in zip(counts, self.columns_s, strict=True)]

    def of(self, signal: Signal) -> list[int]:
        """All tenants together."""
        return [sum(column) for column in zip(*self.counts[signal].values(), strict=True)]

    def to_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario.name, "description": self.scenario.file.description,
            "question": self.scenario.file.question, "duration_s": self.duration_s, "columns_s": list(self.columns_s),
            "signals": {
                signal: {
                    "items": sum(self.of(signal)),
                    "tenants": {name: list(counts) for name, counts in self.counts[signal].items()},
                }
                for signal in SIGNALS
            },
            "anomalies": self.told["anomalies"], "quiet": self.told["quiet"],
        }  # fmt: skip


def explain(
    scenario: Scenario, seed: int, *, duration_s: float | None = None, start_ns: int = 0, columns: int = 60
) -> Explanation:
    """Counts every tick, sentinels left out. columns: at most so many; fewer where there are fewer ticks."""
    world = World(scenario, Identity("explained", scenario.tenants), seed, start_ns, duration_s)
    columns = max(1, min(columns, world.ticks))
    edges = [world.ticks * column // columns for column in range(columns + 1)]
    counts: dict[Signal, dict[str, tuple[int, ...]]] = {
        signal: {
            name: tuple(
                sum(world.count(tenant, signal, tick) for tick in range(begins, ends))
                for begins, ends in pairwise(edges)
            )
            for tenant, name in enumerate(world.tenants)
        }
        for signal in SIGNALS
    }
    lengths = tuple((ends - begins) * world.tick_ns / 1e9 for begins, ends in pairwise(edges))
    lasts_s = world.ticks * world.tick_ns / 1e9
    told = labels(scenario, run="explained", seed=seed, start_ns=0, duration_s=lasts_s)
    return Explanation(scenario, lasts_s, lengths, counts, told)


def spark(values: Sequence[float], height: int = 1) -> list[str]:
    """Bars as lines of text, the top one first; the highest value fills all of it, what is above 0 is never blank."""
    top = max(values, default=0) or 1
    eighths = [round(value / top * height * 8) or int(value > 0) for value in values]
    return [
        "".join(_BLOCKS[max(0, min(8, level - 8 * line))] for level in eighths) for line in range(height - 1, -1, -1)
    ]


class Ink:
    """Colours of a terminal, by what they mean; none of them without `color`."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, *codes: int) -> str:
        return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m" if self._color else text

    def strong(self, text: str) -> str:
        return self(text, 1)

    def faint(self, text: str) -> str:
        return self(text, 2)

    def bars(self, text: str, signal: Signal) -> str:
        return self(text, {"logs": 36, "traces": 34, "metrics": 35}[signal])

    def wrong(self, text: str, *, alarming: bool) -> str:
        return self(text, 31 if alarming else 33)

    def calm(self, text: str) -> str:
        return self(text, 32)


def room(scenario: Scenario, width: int) -> int:
    """Columns of the drawing in a terminal so wide, counts and names beside it."""
    return max(16, min(96, width - _left(scenario) - 2 - _COUNT))


def text(found: Explanation, width: int = 100, *, color: bool = False) -> str:
    """For people, no line wider than `width` (at least 60): a chart for each signal, a line for each tenant, and when what
    goes wrong."""
    file, columns, ink, width = found.scenario.file, len(found.columns_s), Ink(color=color), max(60, width)
    left = _left(found.scenario)
    lines = [f"{ink.strong(found.scenario.name)}  {ink.faint(_lasts(found.duration_s))}"]
    lines += _wrapped(file.description, width)
    if file.question:
        lines += ["", *map(ink.faint, _wrapped(file.question, width))]
    for signal in SIGNALS:
        total = found.of(signal)
        rates = found.rates(total)
        spread = f"{sum(total):,} {_ITEMS[signal]}, {format_count(min(rates))} to {format_count(max(rates))} a second"
        lines += ["", f"{ink.strong(signal)}: {spread}"]
        lines += [f"{'':{left}}│{ink.bars(row, signal)}" for row in spark(rates, 4)]
        for name, counts in found.counts[signal].items():
            bars = ink.bars(spark(found.rates(counts))[0], signal)
            lines.append(f"{_cut(name, left - 2):<{left}}│{bars}│ {sum(counts):,}")
    line, times = _axis(found.duration_s, columns)
    lines += ["", f"{'':{left}}└{line}", ink.faint(f"{'':{left + 1}}{times}")]
    beside = width - left - columns - 3  # where there is room, what it is stands beside the bar; else below it
    for one in found.told["anomalies"]:
        alert = one["alert"]
        within = "" if alert is None else format_duration(alert["by"] - one["from"])
        expects = "no alert need fire" if alert is None else f"{alert['name']} within {within}"
        struck = ", ".join([*one["tenants"], *([one["service"]] if one["service"] else [])])
        bar = ink.wrong(_span(one, found, "▒"), alarming=alert is not None)
        lines += _told(
            f"{_cut(one['name'], left - 2):<{left}}│{bar}│",
            f"{one['kind']} of {struck}: {expects}",
            beside,
            left,
            width,
        )
    for window in found.told["quiet"]:
        bar = ink.calm(_span(window, found, "·"))
        lines += _told(f"{'quiet':<{left}}│{bar}│", "no alert may begin", beside, left, width)
    return "\n".join(lines)


def _left(scenario: Scenario) -> int:
    """Width of the names."""
    names = [*scenario.tenants, *(one.name for one in scenario.anomalies), "quiet"]
    return min(_LONGEST_NAME, max(map(len, names))) + 2


def _lasts(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else format_duration(seconds)


def _cut(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _told(head: str, what: str, beside: int, left: int, width: int) -> list[str]:
    if len(what) <= beside:
        return [f"{head} {what}"]
    return [head, *(f"{'':{left + 1}}{line}" for line in textwrap.wrap(what, width - left - 1))]


def _span(window: dict[str, Any], found: Explanation, mark: str) -> str:
    """When, as a bar of the drawing's width."""
    width = len(found.columns_s)
    begins = int(window["from"] / found.duration_s * width)
    ends = max(begins + 1, round(window["to"] / found.duration_s * width))
    return "".join(mark if begins <= column < ends else " " for column in range(width))


def _axis(duration_s: float, width: int) -> tuple[str, str]:
    """(line, times under it), a quarter apart; of these, the ends first, those that have room beside one another."""
    line = ["─"] * width
    times = [" "] * (width + _COUNT)
    for quarter in (0, 4, 2, 1, 3):
        at = min(width - 1, width * quarter // 4)
        label = _at(duration_s * quarter / 4, duration_s) if quarter else "0"
        if all(one == " " for one in times[max(0, at - 1) : at + len(label) + 1]):
            line[at] = "┴"
            times[at : at + len(label)] = label
    return "".join(line), "".join(times).rstrip()


def _at(seconds: float, whole_s: float) -> str:
    """A time on an axis: minutes and seconds along all of it, where its end is told so."""
    if seconds < 60 <= whole_s:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes:02d}:{rest:02d}"
    return format_duration(seconds)


def _wrapped(paragraph: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(paragraph.split()), max(40, width))
