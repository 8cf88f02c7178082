"""What the platform answered decides what must be stored, what may be, what must not, and how often."""

from __future__ import annotations

import pytest

from runners.ledger.attempt import Outcome
from runners.ledger.items import SIGNALS, Signal
from runners.ledger.reader import fates
from tests.unit.audit.small import (
    TENANTS,
    all_acked,
    fate,
    full_store,
    judged,
    requests,
    some_batch,
    without,
    wrongs,
)
from tests.unit.audit.store import MemoryStore


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_unknown_may_be_there_or_not(signal: Signal) -> None:
    batch = some_batch(signal)
    ledger = all_acked() | {batch: fate(batch, Outcome.UNKNOWN)}
    assert judged(full_store(), ledger).verdict == "passed"
    missing = judged(without(batch), ledger)
    assert missing.verdict == "passed"
    assert missing.of(signal).found == missing.of(signal).acked


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.REFUSED])
def test_what_was_rejected_must_not_be_there(outcome: Outcome) -> None:
    batch = some_batch()
    ledger = all_acked() | {batch: fate(batch, outcome, copies=0)}
    assert judged(without(batch), ledger).verdict == "passed"
    found = judged(full_store(), ledger)
    assert wrongs(found) == {("stored_though_rejected", "logs", TENANTS[batch.tenant]): len(requests()[batch])}
    assert found.verdict == "failed"


def test_a_partial_success_holds_the_platform_to_the_rest() -> None:
    batch = some_batch()
    items = requests()[batch]
    ledger = all_acked() | {batch: fate(batch, Outcome.PARTIAL, refused_items=3)}
    for kept, expected in (
        (len(items) - 3, {}),
        (len(items) - 5, {"lost": 2}),
        (len(items), {"stored_though_rejected": 3}),
    ):
        store = without(batch)
        store.put(TENANTS[batch.tenant], "logs", items[:kept])
        assert {name: n for (name, _, _), n in wrongs(judged(store, ledger)).items()} == expected


def test_what_a_partial_success_refused_may_be_there_from_an_earlier_attempt_without_an_answer() -> None:
    batch = some_batch()
    items = requests()[batch]
    ledger = all_acked() | {batch: fate(batch, Outcome.PARTIAL, refused_items=3, unknown=1, attempts=2, copies=2)}
    for kept, expected in ((len(items) - 3, {}), (len(items) - 5, {"lost": 2}), (len(items), {})):
        store = without(batch)
        store.put(TENANTS[batch.tenant], "logs", items[:kept])
        assert {name: n for (name, _, _), n in wrongs(judged(store, ledger)).items()} == expected


def test_a_forged_item_of_a_request_that_was_never_sent_is_named() -> None:
    batch = some_batch()
    ledger = all_acked()
    del ledger[batch]
    found = judged(full_store(), ledger)
    assert wrongs(found) == {("forged", "logs", TENANTS[batch.tenant]): len(requests()[batch])}


@pytest.mark.parametrize(
    ("honoured", "possible", "copies", "expected"),
    [
        (True, 2, 2, {"duplicated": 1}),
        (False, 2, 2, {"duplicated_by_retry": 1}),
        (False, 2, 3, {"duplicated": 1, "duplicated_by_retry": 1}),
        (False, 1, 2, {"duplicated": 1}),
    ],
)
def test_copies_that_a_retry_explains(honoured: bool, possible: int, copies: int, expected: dict[str, int]) -> None:
    batch = some_batch("traces")
    store = full_store()
    store.put(TENANTS[batch.tenant], "traces", requests()[batch][:1] * (copies - 1))
    found = judged(store, all_acked() | {batch: fate(batch, copies=possible)}, honoured=honoured)
    assert {name: n for (name, _, _), n in wrongs(found).items()} == expected
    assert found.verdict == ("failed" if "duplicated" in expected else "passed")


def test_nothing_acknowledged_is_not_passed() -> None:
    ledger = {batch: fate(batch, Outcome.UNKNOWN) for batch in requests()}
    assert judged(MemoryStore(), ledger).verdict == "invalid"
    assert judged(MemoryStore(), fates([])).verdict == "invalid"
