"""The table of docs/realism.md: written from the figures, and compared with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.realism.figures import Figure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "realism.md"
PICTURES = PAGE.parent / "images" / "realism"
BEGIN, END = "<!-- figures: python -m tests.perf.realism --page -->", "<!-- end of figures -->"
TOLERANCE = 0.1
"""By how much a figure of the page may differ before the page is stale, as a share."""


def table(figures: Sequence[Figure]) -> str:
    """In Markdown."""
    lines = ["| figure | production | ours | measured by | known from |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.range} | **{one.shown(one.value)}** | {one.how} | {one.source} |" for one in figures
    ]
    return "\n".join(lines)


def with_table(page: str, figures: Sequence[Figure]) -> str:
    """The page with its table written anew."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table(figures)}\n{END}{rest.split(END)[1]}"


def stale(page: str, figures: Sequence[Figure]) -> list[str]:
    """What the page says otherwise than it is measured now: rows of the table."""
    block = page.split(BEGIN)[1].split(END, maxsplit=1)[0]
    told: dict[str, list[str] | None] = {
        row[0]: row
        for line in block.splitlines()[3:]
        if (row := [cell.strip() for cell in line.strip("| ").split(" | ")])
    }
    found = []
    for one in figures:
        said = told.pop(one.name, None)
        if said is None or (said[1], said[3], said[4]) != (one.range, one.how, one.source):
            found.append(f"{one.name}: {said}")
        elif abs(_number(said[2]) - one.value) > TOLERANCE * abs(one.value) + 0.6 * 10**-one.places:
            found.append(f"{one.name}: {said[2]}, now {one.shown(one.value)}")
    return found + [f"{name}: nothing measures it" for name in told]


def _number(text: str) -> float:
    found = re.search(r"-?[\d,.]+", text)
    assert found is not None, text
    return float(found[0].replace(",", ""))
