"""Each tenant is judged by itself, and sees nothing of the others."""

from __future__ import annotations

import pytest

from runners.ledger.attempt import Outcome
from runners.ledger.items import SIGNALS
from tests.unit.audit.small import (
    TENANTS,
    fate,
    full_store,
    judged,
    requests,
    wrongs,
)
from tests.unit.audit.store import document


def test_a_listing_that_leaks_shows_every_item_to_the_other_tenants() -> None:
    store = full_store()
    for signal in SIGNALS:
        everything = [row for tenant in TENANTS for row in store.rows[tenant, signal]]
        for tenant in TENANTS:
            store.rows[tenant, signal] = everything
    found = judged(store)
    for signal in SIGNALS:
        counts = found.of(signal)
        assert counts.wrong["leaked"] == 2 * counts.acked
        assert counts.wrong["duplicated"] == counts.wrong["lost"] == 0


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNKNOWN])
def test_what_is_acknowledged_to_one_tenant_proves_nothing_about_another(outcome: Outcome) -> None:
    ledger = {batch: fate(batch, outcome if batch.tenant == 2 else Outcome.ACKED) for batch in requests()}
    store = full_store()
    for signal in SIGNALS:
        store.rows["initech", signal] = []
    found = judged(store, ledger)
    assert found.verdict == "invalid" and not wrongs(found)
    assert {found.verdict_of(signal) for signal in SIGNALS} == {"invalid"}
    assert found.silent("logs") == ["initech"]


def test_a_tenant_that_the_run_does_not_write_for_must_see_nothing_of_it() -> None:
    store = full_store()
    assert judged(store, bystanders=["umbrella"]).verdict == "passed"
    batch, items = next(iter(requests().items()))
    store.put("umbrella", batch.signal, items[:2])
    forged = document(items[2])
    forged["content"]["span_id"] = "ab" * 8
    forged["content"]["attributes"]["testbed.item.id"] = "ab" * 16
    store.rows["umbrella", batch.signal].append(forged)
    found = judged(store, bystanders=["umbrella"])
    tenant = TENANTS[batch.tenant]
    assert found.verdict == "failed"
    assert wrongs(found) == {("leaked", batch.signal, tenant): 2, ("forged", batch.signal, tenant): 1}
    assert {finding.reader for finding in found.findings} == {"umbrella"}
