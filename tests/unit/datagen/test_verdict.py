"""What a run is worth, by what became of its items."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from runners.datagen.crew import Crew
from runners.datagen.generate import Order, run, verdict_of
from runners.datagen.sinks import Outlet
from runners.events import Emitter
from runners.ledger.reader import Totals
from runners.suite import Context
from runners.wire.delivery import Count
from runners.wire.local import NullSink
from tests.unit.datagen.worlds import RUN, START, scenario


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


class _Others:
    """What the processes of further shards say when they have ended."""

    def __init__(self, complaint: str) -> None:
        self._complaint = complaint

    def take_counts(self) -> Counter[Count]:
        return Counter()

    def end(self, context: Context) -> str:
        return self._complaint

    def cost(self) -> tuple[float, float]:
        return 0.0, 0.0

    def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("complaint", "verdict"), [("", "passed"), ("a shard ended with code -9", "failed"), ("disk full", "failed")]
)
def test_a_run_whose_shard_failed_has_failed_whatever_this_process_sent(
    tmp_path: Path, complaint: str, verdict: str
) -> None:
    spec = {"id": RUN, "stage": "data", "environment": "none", "home": str(tmp_path)}
    order = Order(
        scenario(), 1, START, None, (Outlet("null:", "otlp", NullSink, refuses=False),), paced=False, environment="none"
    )
    with Path(os.devnull).open("wb") as nowhere:
        context = Context(spec, tmp_path, Emitter(nowhere.fileno()))
        found = run(context, order, tmp_path / "ledger", lambda: cast("Crew", _Others(complaint)))
        context.events.close()
    assert found == (verdict, complaint)
