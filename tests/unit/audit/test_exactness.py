"""The audit must report exactly what was done to a store: no less, and nothing else."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runners.ledger.attempt import Batch
from runners.ledger.items import SIGNALS
from tests.unit.audit.small import (
    TENANTS,
    judged,
    requests,
    wrongs,
)
from tests.unit.audit.spoiling import spoil_content, spoil_identity
from tests.unit.audit.store import MemoryStore, document

KINDS = ("drop", "duplicate", "swap tenant", "flip content", "flip identity")


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, Batch, int, int]]:
    """(kind, request, index of the item in it, a number), each item at most once."""
    batches = list(requests())
    plan: dict[tuple[Batch, int], tuple[str, Batch, int, int]] = {}
    for _ in range(draw(st.integers(0, 25))):
        batch = draw(st.sampled_from(batches))
        index = draw(st.integers(0, len(requests()[batch]) - 1))
        plan[batch, index] = (draw(st.sampled_from(KINDS)), batch, index, draw(st.integers(0, 10_000)))
    return list(plan.values())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations(), st.integers(0, 2**32))
def test_exactly_what_was_done_to_the_store_is_reported(plan: list[tuple[str, Batch, int, int]], order: int) -> None:
    expected: Counter[tuple[str, str, str]] = Counter()
    at = {(batch, index): (kind, number) for kind, batch, index, number in plan}
    store = MemoryStore({(tenant, signal): [] for tenant in TENANTS for signal in SIGNALS})
    lost = []
    for batch, items in requests().items():
        tenant, signal = TENANTS[batch.tenant], batch.signal
        for index, item in enumerate(items):
            kind, number = at.get((batch, index), ("", 0))
            row = document(item)
            copies = 1
            reader = tenant
            if kind == "drop":
                copies = 0
            elif kind == "duplicate":
                copies = 2 + number % 2
                expected["duplicated", signal, tenant] += copies - 1
            elif kind == "swap tenant":
                reader = TENANTS[(batch.tenant + 1 + number % 2) % 3]
                expected["leaked", signal, tenant] += 1
            elif kind == "flip content":
                spoil_content(signal, row, number)
                expected["corrupt", signal, tenant] += 1
            elif kind == "flip identity":
                spoil_identity(signal, row, number)
                expected["forged", signal, tenant] += 1
            if kind in ("drop", "swap tenant", "flip identity"):
                expected["lost", signal, tenant] += 1
                lost.append(item.key())
            store.rows[reader, signal] += [row] * copies
    for rows in store.rows.values():
        Random(order).shuffle(rows)
    found = judged(store)
    assert wrongs(found) == expected
    assert found.verdict == ("failed" if expected else "passed")
    named = [finding.key for finding in found.findings if finding.wrong == "lost"]
    assert sorted(map(repr, named)) == sorted(map(repr, lost))
    assert sum(gap.items for gap in found.gaps) == len(lost)
