from __future__ import annotations

import pytest

from runners.datagen.window import parse_window
from runners.lib.errors import FileError, UsageError

NOW = 1_795_671_748 * 10**9  # 2026-11-26T05:42:28Z


@pytest.mark.parametrize(
    ("begins", "ends", "hours"),
    [
        ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00+00:00", 24),
        ("2026-11-25", "2026-11-26T01:00+01:00", 24),
        ("2d", "1d", 24),
        ("90m", None, 1.5),
        ("1970-01-02", "1970-01-03", 24),
    ],
)
def test_a_past_range_is_read(begins: str, ends: str | None, hours: float) -> None:
    assert parse_window(begins, ends, NOW).duration_s == hours * 3600


@pytest.mark.parametrize(
    ("begins", "ends", "message"),
    [
        ("2026-11-25", "2026-11-27", "ends in the future .2026-11-27T00:00:00Z"),
        ("2026-11-27", None, "has no length"),
        ("1h", "2h", "has no length"),
        ("1960-01-01", "1960-01-02", "before 1970-01-02"),
        ("1970-01-01", "1970-01-03", "before 1970-01-02"),
        ("1970-01-01T23:59:59Z", "1970-01-03", "before 1970-01-02"),
        ("0001-01-01", None, "before 1970-01-02"),
        ("300000d", None, "before 1970-01-02"),
    ],
)
def test_what_cannot_be_filled_is_named(begins: str, ends: str | None, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        parse_window(begins, ends, NOW)
    assert caught.value.exit_code == 2 and caught.value.remedy


@pytest.mark.parametrize("text", ["yesterday", "-2d", "2026-13-01", ""])
def test_what_is_no_time_is_a_wrong_command_line(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_window(text, None, NOW)
