"""Run ids sort by the time they were made."""

import time
import uuid

from runners.lib.ids import new_run_id, started_at


def test_ids_are_version_7_and_unique():
    ids = [new_run_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in ids} == {(7, uuid.RFC_4122)}


def test_an_id_tells_its_time_and_later_ones_sort_after(monkeypatch):
    before = time.time()
    assert before - 0.002 <= started_at(new_run_id()) <= time.time()
    made = []
    for at in (1_700_000_000_000, 1_700_000_000_001, 1_790_000_000_000, 4_000_000_000_000):
        monkeypatch.setattr(time, "time_ns", lambda at=at: at * 1_000_000)
        made.append(new_run_id())
    assert made == sorted(made)
    assert started_at(made[0]) == 1_700_000_000.0
