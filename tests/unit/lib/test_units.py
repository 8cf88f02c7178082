"""Quantities as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.lib.units import format_count, format_duration, parse_bytes, parse_duration, parse_rate, parse_volume


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("40s", 40), ("250ms", 0.25), ("1h30m", 5400), ("1.5 m", 90), ("2 d", 172800), (7, 7), (0.5, 0.5), ("10us", 1e-5)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "size"), [("512kB", 512000), ("16MiB", 16 << 20), ("1.5 GB", 1_500_000_000), (9, 9)])
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "rate"), [("500/s", 500), ("2k/s", 2000), ("60/m", 1), ("3600/h", 1), ("1.5M", 1.5e6)]
)
def test_rates(text, rate):
    assert parse_rate(text) == rate


@given(st.text(max_size=12) | st.booleans())
def test_anything_else_is_a_value_error_that_shows_how_to_write_it(text):
    for parse in (parse_duration, parse_bytes, parse_rate):
        try:
            parse(text)
        except ValueError as error:
            assert "write for example" in str(error)


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_is_its_number_times_its_unit(number, unit):
    factor = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    assert parse_duration(f"{number}{unit}") == pytest.approx(number * factor)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0042, "4.2 ms"), (0.041, "41 ms"), (1.414, "1.41 s"), (41.23, "41.2 s"), (374, "06:14"), (14400, "4 h 00")],
)
def test_durations_are_shown_in_three_digits(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(-(10**11), 10**11))
def test_counts_are_exact_up_to_five_digits_and_never_far_off(number):
    text = format_count(number)
    if abs(number) < 100_000:
        assert int(text.replace(",", "")) == number
    else:
        value, suffix = text.split(" ")
        assert float(value) * {"k": 1e3, "M": 1e6, "G": 1e9}[suffix] == pytest.approx(number, rel=0.006)


@pytest.mark.parametrize(
    ("text", "value"), [("2 MB/s", 2e6), ("86.4 GB/day", 1e6), ("36 kB/h", 10), ("60MiB/minute", 2**20)]
)
def test_volumes(text: str, value: float) -> None:
    assert parse_volume(text) == value


@pytest.mark.parametrize("text", ["50 GB", "50/day", "5 GB/moon", "GB/day", "-1 GB/day", 5])
def test_what_is_no_volume_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match="write for example 2 MB/s"):
        parse_volume(text)
