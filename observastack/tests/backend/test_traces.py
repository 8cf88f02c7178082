"""One trace: how much of it is given out is told, and what one source knows does not need the other."""

from __future__ import annotations

import uuid

from observastack.tests.backend.serving import SECOND, Backend, Store


def test_more_records_than_are_given_out_are_told(served: Backend, store: Store, era: int) -> None:
    whole, larger = uuid.uuid4().hex, uuid.uuid4().hex
    for trace, count in ((whole, 1_000), (larger, 1_001)):
        store.logs("acme", [{"ts": era + n, "trace_id": trace} for n in range(count)])
    for trace, partial in ((whole, False), (larger, True)):
        found = served.get("acme-viewer", f"/traces/{trace}/logs").json()
        assert (len(found["items"]), found["partial"]) == (1_000, partial)


def test_more_spans_than_are_given_out_are_told(served: Backend, store: Store, era: int) -> None:
    trace = uuid.uuid4().hex
    store.spans("acme", [{"ts": era + n, "trace_id": trace, "span_id": f"{n + 1:016x}"} for n in range(10_001)], "wide")
    found = served.get("acme-viewer", f"/traces/{trace}").json()
    assert (len(found["spans"]), found["partial"]) == (10_000, True)


def test_records_of_a_trace_are_found_while_its_spans_are_away(served: Backend, store: Store, era: int) -> None:
    trace = uuid.uuid4().hex
    store.logs("acme", [{"ts": era + SECOND, "trace_id": trace, "body": "still here"}])
    fault = {"source": "traces", "error_rate": 1.0, "ttl_s": 30}
    assert served.post("platform-admin", "/test-data/faults", fault).status_code == 200
    try:
        found = served.get("acme-viewer", f"/traces/{trace}/logs")
        assert [one["content"]["body"] for one in found.json()["items"]] == ["still here"]
        # Whether there is such a trace is not known now: that is no 404.
        assert served.get("acme-viewer", f"/traces/{uuid.uuid4().hex}/logs").status_code == 503
    finally:
        served.post("platform-admin", "/test-data/faults", {"source": "traces"})
