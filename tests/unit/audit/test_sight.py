"""What a real store cannot show is not observable: never 0, never held against it. What can be seen still is."""

from __future__ import annotations

from typing import Any

import pytest

from runners.audit.judge import WRONG
from runners.audit.run import Audit
from runners.ledger.items import Sample, Signal
from runners.ledger.sight import Sight, label_name, labels, same_labels
from tests.unit.audit.small import START, full_store, judged, requests, world, wrongs
from tests.unit.audit.store import MemoryStore

MS = Sight(resolution_ns=10**6, labels=True, duplicates=False)
SIGHTS: dict[Signal, Sight] = {
    "logs": Sight(duplicates=False), "traces": Sight(duplicates=False), "metrics": MS,
}  # fmt: skip


def as_labels(row: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """A sample as Prometheus shows it: to the millisecond, one set of labels, no kind, no unit."""
    content = {
        "name": sample.name, "type": "unknown", "unit": "", "value": float(sample.value), "resource": {},
        "attributes": {**labels(sample.resource, sample.attributes), "tenant": "acme"},
    }  # fmt: skip
    return row | {"time_unix_nano": str(sample.time // 10**6 * 10**6), "content": content}


def real_store() -> MemoryStore:
    store = full_store()
    for (tenant, signal), rows in store.rows.items():
        if signal != "metrics":
            continue
        sent = [
            item
            for batch, items in requests().items()
            if batch.signal == "metrics" and world().identity.tenants[batch.tenant] == tenant
            for item in items
        ]
        store.rows[tenant, signal] = [
            as_labels(row, item) for row, item in zip(rows, sent, strict=True) if isinstance(item, Sample)
        ]
    return store


def seen(store: MemoryStore) -> Audit:
    return judged(store, sights=SIGHTS)


def test_a_real_store_that_kept_everything_passes_and_nothing_is_claimed_about_duplicates() -> None:
    found = seen(real_store())
    assert found.verdict == "passed"
    assert not wrongs(found)
    for counts in found.to_json()["signals"].values():
        assert counts["found"] == counts["acked"] > 100
        assert counts["duplicated"] is None
        assert counts["duplicated_by_retry"] is None
        assert counts["not_observable"] == counts["acked"]
        assert {counts[name] for name in WRONG if "duplicated" not in name} == {0}


def test_the_same_store_without_its_sight_would_be_accused() -> None:
    assert judged(real_store()).verdict == "failed"


def test_a_second_copy_that_is_seen_all_the_same_is_told() -> None:
    store = real_store()
    store.rows["acme", "logs"].append(store.rows["acme", "logs"][3])
    found = seen(store)
    assert found.verdict == "failed"
    assert found.to_json()["signals"]["logs"]["duplicated"] == 1


@pytest.mark.parametrize("what", ["value", "label", "time"])
def test_a_sample_that_was_changed_is_found(what: str) -> None:
    store = real_store()
    row = store.rows["acme", "metrics"][5]
    if what == "value":
        row["content"]["value"] += 1
        assert wrongs(seen(store)) == {("corrupt", "metrics", "acme"): 1}
        return
    if what == "label":
        row["content"]["attributes"]["made_up"] = "1"
    else:
        row["time_unix_nano"] = str(int(row["time_unix_nano"]) + 10**6)
    assert wrongs(seen(store)) == {("forged", "metrics", "acme"): 1, ("lost", "metrics", "acme"): 1}


def test_a_sample_that_is_missing_is_lost() -> None:
    store = real_store()
    del store.rows["globex", "metrics"][7]
    assert wrongs(seen(store)) == {("lost", "metrics", "globex"): 1}


def test_a_sample_of_another_tenant_has_leaked() -> None:
    store = real_store()
    store.rows["globex", "metrics"].append(store.rows["acme", "metrics"][0])
    assert wrongs(seen(store)) == {("leaked", "metrics", "acme"): 1}


def test_every_sample_can_be_found_again_by_its_labels_and_its_millisecond() -> None:
    for batch, items in requests().items():
        for item in items:
            if isinstance(item, Sample):
                stored: dict[str, object] = {**labels(item.resource, item.attributes), "service": item.resource.service}
                told = world().sample_number(item.resource.instance_id, item.name, stored, MS.time(item.time), MS)
                assert told == (batch.tenant, item.seq)
                assert (
                    world().sample_number(item.resource.instance_id, item.name, stored, item.time + 10**6, MS) is None
                )


def test_attributes_become_labels_as_the_specification_says() -> None:
    assert label_name("service.instance.id") == "service_instance_id"
    assert label_name("3d") == "key_3d"
    assert same_labels({"a": "1", "tenant": "acme", "__name__": "up"}, {"a": "1"})
    assert not same_labels({"a": "1"}, {"a": "1", "b": "2"})
    assert START % 10**6 == 0
