"""Pieces of HTML and SVG: each function takes data and returns text that is already escaped.

The outer `<svg>` of a chart has no viewBox: x is in per cent, y in pixels, so that text never scales. Paths lie in a
nested `<svg>` of 1200 × 200 units that is stretched. No `style` attribute anywhere: the page's policy forbids it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from runners.lib.text import plain

# Shapes differ, not only colours: circle, octagon, diamond, dashed ring.
GLYPHS = {
    "pass": '<circle cx="12" cy="12" r="10"/><path d="M7.5 12.3l3.2 3.2 6-6.6"/>',
    "fail": '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8z"/><path d="M8.5 8.5l7 7m0-7l-7 7"/>',
    "inv": '<path d="M12 1.5L22.5 12 12 22.5 1.5 12z" stroke-dasharray="4 2.6"/>'
    '<path d="M9.6 9.8a2.5 2.5 0 113.6 2.2c-.8.5-1.2.9-1.2 1.8m0 2.6v.1"/>',
    "none": '<circle cx="12" cy="12" r="10" stroke-dasharray="2 3"/><path d="M8 12h8"/>',
}
WORDS = {"pass": "passed", "fail": "failed", "inv": "not assessed", "none": "not run"}
KINDS = {"passed": "pass", "failed": "fail", "invalid": "inv", "skipped": "none", "not_run": "none", None: "none"}


def safe(text: object) -> str:
    """Escaped for HTML text and attributes; control characters and terminal sequences are gone."""
    return html.escape(plain(str(text)), quote=True)


def kind(verdict: str | None) -> str:
    return KINDS.get(verdict, "inv")


def glyph(name: str, *, word: bool = True) -> str:
    """A verdict's sign; word: with its name for screen readers."""
    spoken = f'<span class="vh">{WORDS[name]} </span>' if word else ""
    return f'<svg class="g {name}" aria-hidden="true"><use href="#g-{name}"/></svg>{spoken}'


def per_cent(value: float, whole: float) -> str:
    text = f"{100 * value / whole:.2f}".rstrip("0").rstrip(".")
    return f"{text or '0'}%"


def thin(values: Sequence[float | None], buckets: int = 300) -> list[list[tuple[int, float]]]:
    """Runs of (index, value) without gaps; above 2 × buckets values each bucket keeps its minimum and maximum."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            if runs[-1]:
                runs.append([])
        else:
            runs[-1].append((index, value))
    runs = [run for run in runs if run]
    if len(values) <= 2 * buckets:
        return runs
    result = []
    for run in runs:
        kept: set[tuple[int, float]] = set()
        size = max(1, len(values) // buckets)
        for at in range(0, len(run), size):
            part = run[at : at + size]
            kept |= {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        result.append(sorted(kept))
    return result


def path(values: Sequence[float | None], y: Callable[[float], float], *, area: bool = False) -> str:
    """The `d` of a line (or area) over the whole width; y maps a value to 0 (bottom) … 1 (top)."""
    last = max(1, len(values) - 1)
    parts = []
    for run in thin(values):
        points = [(round(1200 * i / last), round(200 * (1 - min(1.02, max(0.0, y(v)))))) for i, v in run]
        if len(points) == 1:
            points.append((points[0][0] + 4, points[0][1]))
        text = "M" + "L".join(f"{px} {py}" for px, py in points)
        parts.append(text + (f"V200H{points[0][0]}z" if area else ""))
    return "".join(parts)


def stretched(inner: str) -> str:
    return f'<svg viewBox="0 0 1200 200" preserveAspectRatio="none" width="100%" height="100%">{inner}</svg>'


def ruler(height: int, ticks: Sequence[tuple[float, str]], y: Callable[[float], float]) -> tuple[str, str]:
    """Horizontal rules, and their labels inside the plot."""
    lines = "".join(
        f'<line class="gl" x2="100%" y1="{height * (1 - y(v)):.1f}" y2="{height * (1 - y(v)):.1f}"/>' for v, _ in ticks
    )
    texts = "".join(f'<text class="tk" x="3" y="{height * (1 - y(v)) - 3:.1f}">{safe(t)}</text>' for v, t in ticks)
    return lines, texts


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[int] = ()) -> str:
    """A table in a region that scrolls sideways by itself. Cells are HTML; the first of each row is its head."""

    def attributes(column: int) -> str:
        name = html.escape(heads[column], quote=True)
        return f' data-l="{name}"' + (' class="r"' if column in numeric else "")

    head = "".join(
        f"<th scope=col{' class=r' if i in numeric else ''}>{safe(text)}</th>" for i, text in enumerate(heads)
    )
    body = "".join(
        "<tr>"
        + f'<th scope="row">{row[0]}</th>'
        + "".join(f"<td{attributes(i)}>{cell}</td>" for i, cell in enumerate(row) if i)
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="x" tabindex="0" role="region" aria-label="{safe(caption)}, scrolls sideways">'
        f'<table class="stack"><caption class="vh">{safe(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def count(value: int | None, *, bad: bool = False) -> str:
    """A whole number: zero is dim, a bad one bold, None hatched because it is not known."""
    if value is None:
        return '<span class="hat">not observable</span>'
    if value == 0:
        return '<span class="z">0</span>'
    return f'<span class="bad">{value:,}</span>' if bad else f"{value:,}"


def not_assessed(text: str) -> str:
    return f'<p class="na">{glyph("inv", word=False)}<span><b>Not assessed.</b> {safe(text)}</span></p>'


def number_link(number: int, at: float) -> str:
    """A fault's number; following it puts the time line's cursor there."""
    return (
        f'<a class="fn" href="#timeline" data-t="{at:.2f}" title="fault {number}: show on the time line">{number}</a>'
    )
