"""Braille line chart: a pure function from series to lines. One axis on the left, direct labels on the right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tui.render.look import Line
from tui.render.numbers import clock, tick

LEFT = 8  # cells before the plot: the same on every chart of a screen, so that a dip stands over its cause
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # U+2800 bits by column, then row from the top
_TIME_STEPS = (5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)


@dataclass(frozen=True)
class Series:
    """values: evenly spaced over the whole x range; None is a gap. last: the newest value as text."""

    name: str
    glyph: str
    token: str
    values: Sequence[float | None]
    last: str = ""


@dataclass(frozen=True)
class Fault:
    """end None: still injected."""

    start: float
    end: float | None
    label: str


@dataclass(frozen=True)
class Plot:
    """low and high bound the y axis; ticks are its labelled values; right: cells for the labels."""

    series: Sequence[Series]
    begin: float
    end: float
    low: float
    high: float
    unit: str
    logarithmic: bool = False
    ticks: Sequence[float] = ()
    threshold: tuple[float, str] | None = None
    faults: Sequence[Fault] = ()
    right: int = 23

    def height(self, value: float) -> float:
        """0 at the bottom, 1 at the top."""
        if self.logarithmic:
            low = math.log10(self.low)
            return (math.log10(max(value, self.low)) - low) / (math.log10(self.high) - low)
        return (value - self.low) / ((self.high - self.low) or 1)


@dataclass
class _Canvas:
    """Dots, their owners and the series' markers, in cells."""

    rows: int
    columns: int
    bits: list[list[int]] = field(init=False)
    owner: list[list[str]] = field(init=False)
    markers: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bits = [[0] * self.columns for _ in range(self.rows)]
        self.owner = [[""] * self.columns for _ in range(self.rows)]

    def trace(self, series: Series, index: int, row_of: Callable[[float], int], many: bool) -> None:
        count, previous = len(series.values), None
        path: dict[int, int] = {}
        for x in range(self.columns * 2 if count else 0):
            at = x * (count - 1) / (self.columns * 2 - 1)
            value, after = series.values[int(at)], series.values[min(count - 1, int(at) + 1)]
            if value is None:
                previous = None
                continue
            if after is not None:
                value += (after - value) * (at - int(at))
            y = row_of(value)
            top, bottom = (y, y) if previous is None else (min(previous, y), max(previous, y))
            for dot in range(top, bottom + 1):
                row, column = dot >> 2, x >> 1
                if self.owner[row][column] not in ("", series.token):
                    self.bits[row][column] = 0  # the series drawn later owns a shared cell alone
                self.bits[row][column] |= _DOTS[x & 1][dot & 3]
                self.owner[row][column] = series.token
            path[x >> 1] = y >> 2
            previous = y
        for column in range(4 + index * 4, self.columns, 15 if many else 24):
            if column in path:
                self.markers[path[column], column] = (series.glyph, series.token)


def draw(plot: Plot, cells: int, height: int) -> list[Line]:
    """`height` lines of `cells` cells; the last one is the time axis."""
    columns, rows = max(4, cells - LEFT - plot.right), max(2, height - 1)
    span = (plot.end - plot.begin) or 1

    def row_of(value: float) -> int:
        return min(rows * 4 - 1, max(0, rows * 4 - 1 - int(plot.height(value) * (rows * 4 - 1))))

    def column_of(x: float) -> int:
        return min(columns - 1, max(0, int((x - plot.begin) / span * columns)))

    canvas = _Canvas(rows, columns)
    for index, series in enumerate(plot.series):
        canvas.trace(series, index, row_of, len(plot.series) > 1)
    shaded = [False] * columns
    for fault in plot.faults:
        for column in range(column_of(fault.start), column_of(plot.end if fault.end is None else fault.end) + 1):
            shaded[column] = True
    limit = row_of(plot.threshold[0]) >> 2 if plot.threshold else -1
    tick_rows = {row_of(value) >> 2: value for value in plot.ticks}
    labels = _labels(plot, row_of, rows, limit)
    lines: list[Line] = []
    for row in range(rows):
        name = tick(tick_rows[row], plot.unit) if row in tick_rows else ""
        line: Line = [(f"{name:>{LEFT - 2}} ", "dim"), ("┤" if name else "│", "rule")]
        line += _cells(canvas, row, shaded, is_limit=row == limit, is_tick=row in tick_rows)
        lines.append(line + labels.get(row, []))
    if lines:
        lines[0] = _mark_faults(lines[0], plot, column_of, columns)
    lines.append(_axis(plot, columns, column_of, span))
    return lines


def _cells(canvas: _Canvas, row: int, shaded: list[bool], *, is_limit: bool, is_tick: bool) -> Line:
    line: Line = []
    for column in range(canvas.columns):
        back = "@faultbg" if shaded[column] else ""
        if (row, column) in canvas.markers:
            text, token = canvas.markers[row, column]
            token += ".b"
        elif canvas.bits[row][column]:
            text, token = chr(0x2800 + canvas.bits[row][column]), canvas.owner[row][column]
        elif is_limit:
            text, token = "╌", "warn"
        elif is_tick:
            text, token = "┈", "rule" if back else "grid"
        else:
            text, token = " ", "text"
        _append(line, text, token + back)
    return line


def _append(line: Line, text: str, token: str) -> None:
    if line and line[-1][1] == token:
        line[-1] = (line[-1][0] + text, token)
    else:
        line.append((text, token))


def _labels(plot: Plot, row_of: Callable[[float], int], rows: int, limit: int) -> dict[int, Line]:
    """Each series beside its newest value, moved to the nearest free row."""
    labels: dict[int, Line] = {}
    if not plot.right:
        return labels
    if plot.threshold:
        labels[limit] = [(f" ◂ {plot.threshold[1]}"[: plot.right], "warn.b")]
    for series in plot.series:
        newest = next((value for value in reversed(series.values) if value is not None), None)
        if newest is None:
            continue
        want = row_of(newest) >> 2
        free = (
            row for step in range(rows) for row in (want + step, want - step) if 0 <= row < rows and row not in labels
        )
        if (row := next(free, None)) is not None:
            room = plot.right - 4 - len(series.last)
            labels[row] = [
                (f" {series.glyph} ", f"{series.token}.b"),
                (f"{series.name[: room - 1]:<{room}}", "text"),
                (series.last, series.token),
            ]
    return labels


def _mark_faults(line: Line, plot: Plot, column_of: Callable[[float], int], columns: int) -> Line:
    """▼ injected, ▲ reverted, ▶ still there, and the name: readable without colour."""
    edge = 0
    for index, fault in enumerate(plot.faults):
        begin, end = column_of(fault.start), column_of(plot.end if fault.end is None else fault.end)
        tail = "▶" if fault.end is None else "▲"
        following = column_of(plot.faults[index + 1].start) if index + 1 < len(plot.faults) else columns
        if len(fault.label) + 3 <= end - begin:
            text = f"▼ {fault.label} " + "━" * (end - begin - len(fault.label) - 3) + tail
            line = _overlay(line, LEFT + begin, text, "fault.b@faultbg")
        else:
            line = _overlay(
                line,
                LEFT + begin,
                "▼" + "━" * max(0, end - begin - 1) + (tail if end > begin else ""),
                "fault.b@faultbg",
            )
            if end + 2 + len(fault.label) < following:
                line = _overlay(line, LEFT + end + 1, f" {fault.label}", "fault.b")
            elif begin - len(fault.label) - 1 > edge:
                line = _overlay(line, LEFT + begin - len(fault.label) - 1, f"{fault.label} ", "fault.b")
        edge = end
    return line


def _overlay(line: Line, at: int, text: str, token: str) -> Line:
    cells = [(character, name) for piece, name in line for character in piece]
    for offset, character in enumerate(text):
        if at + offset < len(cells):
            cells[at + offset] = (character, token)
    result: Line = []
    for character, name in cells:
        _append(result, character, name)
    return result


def _axis(plot: Plot, columns: int, column_of: Callable[[float], int], span: float) -> Line:
    axis = ["─"] * columns
    step = next((step for step in _TIME_STEPS if span / step <= max(2, columns // 12)), _TIME_STEPS[-1])
    first = math.ceil(plot.begin / step) * step
    marks = [(float(x), clock(x)) for x in range(int(first), int(plot.end - step * 0.4) + 1, step)] + [
        (plot.end, "now")
    ]
    for x, name in marks:
        text = f" {name} "
        at = max(0, min(columns - len(text), column_of(x) - len(text) // 2))
        axis[at : at + len(text)] = list(text)[:columns]
    return [
        (" " * (LEFT - 1), "dim"),
        ("└", "rule"),
        ("".join(axis[:columns]), "dim"),
        (" elapsed" if plot.right else "", "dim"),
    ]
