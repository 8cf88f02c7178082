"""What a drill takes for recovered."""

from __future__ import annotations

import pytest

from tests.drills.dependencies import Ask, Heard, _sick


@pytest.mark.parametrize(
    ("name", "status", "sick"),
    [
        ("login", 401, False), ("login", 503, True), ("login", 404, True), ("login", 200, True), ("login", 0, True),
        ("search all", 200, False), ("trace", 404, False), ("alerts", 503, True), ("alerts", 401, True),
    ],
)  # fmt: skip
def test_recovered_is_who_answers_as_before(name: str, status: int, sick: bool) -> None:
    heard = Heard(Ask(name, None, "GET", "/"), status, 0.1, None, "")
    assert _sick([heard]) == ([heard] if sick else [])
