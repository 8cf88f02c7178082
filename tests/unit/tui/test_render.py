"""Pure rendering: widths, contrast, numbers, charts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.render import numbers
from tui.render.chart import Fault, Plot, Series, draw
from tui.render.look import HEALTH, LOG_LEVEL, SERIES, STATE, THEMES, VERDICT, contrast, fit, join, to_ascii, width

TEXT = ("text", "dim", "accent", "passed", "failed", "warn", "invalid", "fault")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("token", TEXT)
def test_every_text_colour_can_be_read_on_every_ground(theme: str, token: str) -> None:
    colours = THEMES[theme]
    for ground in ("bg", "surface", "sel", "faultbg"):
        assert contrast(colours[token], colours[ground]) >= 4.5, (token, ground)


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_the_abort_chip_and_on_the_active_tab_can_be_read(theme: str) -> None:
    colours = THEMES[theme]
    assert contrast(colours["on_failed"], colours["failed"]) >= 4.5
    assert contrast(colours["on_accent"], colours["accent"]) >= 4.5


def test_every_glyph_has_an_ascii_twin_of_one_cell() -> None:
    glyphs = [entry[0] for table in (VERDICT, STATE, HEALTH, LOG_LEVEL) for entry in table.values()] + [
        glyph for glyph, _ in SERIES
    ]
    for glyph in glyphs:
        assert len(glyph) == len(to_ascii(glyph)) == 1
        assert to_ascii(glyph) != "?" or glyph == "?"


def test_verdicts_differ_without_colour() -> None:
    signs = {verdict: (glyph, word) for verdict, (glyph, _, word) in VERDICT.items()}
    assert len(set(signs.values())) == len(signs)


pieces = st.lists(st.tuples(st.text(alphabet="abcä…✔", max_size=12), st.sampled_from(TEXT)), max_size=6)


@given(pieces, st.integers(1, 60))
def test_fit_gives_exactly_the_cells_asked_for(line: list[tuple[str, str]], cells: int) -> None:
    assert width(fit(line, cells)) == cells


@given(pieces, st.integers(20, 60))
def test_join_keeps_the_right_side_whole(line: list[tuple[str, str]], cells: int) -> None:
    joined = join(line, [("right", "text")], cells)
    assert width(joined) == cells
    assert "".join(text for text, _ in joined).endswith("right")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (99_999, "99,999"), (170_000, "170 k"), (1_220_000, "1.22 M"), (12_300_000, "12.3 M")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert numbers.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.006, "6.0 ms"), (0.041, "41 ms"), (1.41, "1.41 s"), (0.9996, "1.00 s"), (12.34, "12.3 s")],
)
def test_latencies(value: float | None, text: str) -> None:
    assert numbers.latency(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "00:00"), (374, "06:14"), (14_400, "4 h 00")])
def test_durations(value: float | None, text: str) -> None:
    assert numbers.clock(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (0.0062, "0.62 %"), (0.085, "8.5 %"), (0.85, "85 %")])
def test_shares(value: float, text: str) -> None:
    assert numbers.share(value) == text


values = st.lists(st.one_of(st.none(), st.floats(0.001, 9.9)), max_size=80)


@given(values, st.integers(40, 160), st.integers(4, 20), st.booleans())
def test_a_chart_fills_its_frame_whatever_the_values(
    points: list[float | None], cells: int, height: int, log: bool
) -> None:
    plot = Plot(
        [Series("search.logs", *SERIES[0], points, "41 ms")], 0, 60, 0.001 if log else 0, 10, "s", logarithmic=log, ticks=(0.01, 1),
        threshold=(5, "5 s gate"), faults=[Fault(10, 12, "kill ingest"), Fault(40, None, "pause redis")],
    )  # fmt: skip
    lines = draw(plot, cells, height)
    assert len(lines) == height
    text = ["".join(piece for piece, _ in line) for line in lines]
    assert all(len(row) <= cells for row in text), [len(row) for row in text]
    assert "▼" in text[0]


def test_a_dip_stands_where_it_was() -> None:
    rates = [10.0] * 30 + [1.0] * 30 + [10.0] * 30
    plot = Plot([Series("rate", "●", "s1", rates)], 0, 90, 0, 10, "/s", right=0)
    rows = ["".join(text for text, _ in line)[8:] for line in draw(plot, 98, 9)]
    drawn = [
        any(0x2800 < ord(row[column]) <= 0x28FF or row[column] == "●" for row in rows[-3:-1]) for column in range(90)
    ]
    assert not any(drawn[:28]) and all(drawn[32:58]) and not any(drawn[62:])
