"""Rows of cells laid out in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tui.render.look import STATE, VERDICT, Line, fit, width

Cell = str | Line
WIDE = 90
_LEAST_REST = 12


@dataclass(frozen=True)
class Column:
    """cells 0: what the others leave. most: up to how many it grows where there is room. narrow False: left out below
    `WIDE` cells."""

    title: str
    cells: int
    align: Literal["l", "r"] = "l"
    narrow: bool = True
    most: int = 0


def layout(columns: Sequence[Column], cells: int) -> tuple[list[int], list[int], int]:
    """(indexes of the columns shown, their widths, gap) for this width."""
    gap = 2 if cells > 100 else 1
    shown = [i for i, column in enumerate(columns) if column.narrow or cells >= WIDE]
    spare = cells - sum(columns[i].cells for i in shown) - gap * (len(shown) - 1) - 2
    widths = [columns[i].cells for i in shown]
    room = spare - (_LEAST_REST if 0 in widths else 0)
    for place, i in enumerate(shown):
        if (more := min(columns[i].most - columns[i].cells, room)) > 0:
            widths[place] += more
            room, spare = room - more, spare - more
    return shown, [width or max(4, spare) for width in widths], gap


def header(columns: Sequence[Column], cells: int) -> Line:
    shown, widths, gap = layout(columns, cells)
    line: Line = [("  ", "dim")]
    for i, size in zip(shown, widths, strict=True):
        title = columns[i].title
        line += [*fit([(f"{title:>{size}}" if columns[i].align == "r" else title, "dim")], size), (" " * gap, "dim")]
    return line[:-1]


def row(
    columns: Sequence[Column], values: Sequence[Cell], cells: int, *, chosen: bool = False, focus: bool = False
) -> Line:
    shown, widths, gap = layout(columns, cells)
    line: Line = [("› " if chosen and focus else "  ", "accent.b")]
    for i, size in zip(shown, widths, strict=True):
        value = values[i]
        pieces: Line = [(value, "text")] if isinstance(value, str) else value
        if columns[i].align == "r" and width(pieces) < size:
            pieces = [(" " * (size - width(pieces)), "text"), *pieces]
        line += [*fit(pieces, size), (" " * gap, "text")]
    return fit(line[:-1], cells, "sel" if chosen else "")


def verdict_cell(verdict: str | None) -> Line:
    glyph, token, word = VERDICT.get(verdict, VERDICT["invalid"])
    return [(f"{glyph} ", f"{token}.b"), (word, token)]


def state_cell(state: str) -> Line:
    glyph, token = STATE.get(state, ("○", "dim"))
    return [(f"{glyph} ", f"{token}.b"), (state, token)]
