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


def text(found: Explanation) -> str:
    """For people: a chart for each signal, a line for each tenant, and when what goes wrong."""
    file, width = found.scenario.file, len(found.columns_s)
    names = [*found.scenario.tenants, *(one["name"] for one in found.told["anomalies"]), "quiet"]
    left = max(len(name) for name in names) + 2
    lines = [f"{found.scenario.name}: {file.description}"]
    if file.question:
        lines += ["", *_wrapped(file.question, left + width + 2)]
    for signal in SIGNALS:
        total = found.of(signal)
        rates = found.rates(total)
        lines += [
            "", f"{signal}: {sum(total):,} {_ITEMS[signal]}, {format_count(min(rates))} to {format_count(max(rates))} a second",
        ]  # fmt: skip
        lines += [f"{'':{left}}│{row}" for row in spark(rates, 4)]
        for name, counts in found.counts[signal].items():
            lines.append(f"{name:<{left}}│{spark(found.rates(counts))[0]}│ {sum(counts):,}")
    line, times = _axis(found.duration_s, width)
    lines += ["", f"{'':{left}}└{line}", f"{'':{left + 1}}{times}"]
    for one in found.told["anomalies"]:
        alert = "no alert need fire" if one["alert"] is None else (
            f"{one['alert']['name']} within {format_duration(one['alert']['by'] - one['from'])}"
        )  # fmt: skip
        struck = ", ".join([*one["tenants"], *([one["service"]] if one["service"] else [])])
        lines.append(f"{one['name']:<{left}}│{_span(one, found, '▒')}│ {one['kind']} of {struck}: {alert}")
    for window in found.told["quiet"]:
        lines.append(f"{'quiet':<{left}}│{_span(window, found, '·')}│ no alert may begin")
    return "\n".join(lines)


def _span(window: dict[str, Any], found: Explanation, mark: str) -> str:
    """When, as a bar of the drawing's width."""
    width = len(found.columns_s)
    begins = int(window["from"] / found.duration_s * width)
    ends = max(begins + 1, round(window["to"] / found.duration_s * width))
    return "".join(mark if begins <= column < ends else " " for column in range(width))


def _axis(duration_s: float, width: int) -> tuple[str, str]:
    """(line, times under it), a quarter apart."""
    line = ["─"] * width
    times = [" "] * (width + 12)
    for quarter in range(5):
        at = min(width - 1, width * quarter // 4)
        line[at] = "┴"
        label = format_duration(duration_s * quarter / 4) if quarter else "0"
        times[at : at + len(label)] = label
    return "".join(line), "".join(times).rstrip()


def _wrapped(paragraph: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(paragraph.split()), max(40, width))
