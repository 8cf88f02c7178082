"""What a run is worth, by what became of its items."""

from __future__ import annotations

import pytest

from runners.datagen.generate import verdict_of
from runners.ledger.reader import Totals


@pytest.mark.parametrize(
    ("sent", "late_s", "stopped", "verdict", "why"),
    [
        (Totals(100, 100), 0, False, "passed", ""),
        (Totals(100, 99, 1), 0, False, "failed", "1 items were rejected"),
        (Totals(100, 99, 0, 1), 0, False, "failed", "1 were never acknowledged"),
        (Totals(99, 99), 0, False, "failed", "1 of 100 planned items were not sent"),
        (Totals(40, 40), 0, True, "passed", ""),
        (Totals(), 0, True, "invalid", "before anything was sent"),
        (Totals(100, 100), 2, False, "passed", ""),
        (Totals(100, 100), 2.1, False, "invalid", "2.1 s late; use fewer requests"),
        (Totals(100, 99, 1), 9, False, "failed", "rejected"),
    ],
)
def test_a_run_is_worth_what_its_ledger_proves(
    sent: Totals, late_s: float, *, stopped: bool, verdict: str, why: str
) -> None:
    found, said = verdict_of(sent, 100, late_s, 10, stopped=stopped)
    assert found == verdict
    assert why in said and bool(said) == (verdict != "passed")
