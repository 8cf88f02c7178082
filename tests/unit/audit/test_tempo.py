"""A Tempo that for a moment does not find what it has is asked again; what it never shows is missing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runners.audit.stores import tempo
from runners.audit.stores.tempo import TempoReader
from runners.ledger.items import Item, Span
from runners.wire.otlp import encode
from tests.unit.audit.small import START, TENANTS, all_acked, requests, world

TRACES: dict[bytes, list[Item]] = {}
for _batch, _items in requests().items():
    for _item in _items:
        if isinstance(_item, Span) and _batch.tenant == 0:
            TRACES.setdefault(_item.trace_id, []).append(_item)
HIDDEN, TORN, GONE = [trace_id for trace_id, spans in TRACES.items() if len(spans) > 3][:3]


@contextmanager
def store(late: int) -> Iterator[tuple[str, Counter[bytes]]]:
    """Of acme alone. late: how often one trace is not found and another lacks its first span, before both are whole; a third is never found."""
    asked: Counter[bytes] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            trace_id = bytes.fromhex(self.path.rpartition("/")[2])
            spans = TRACES.get(trace_id, []) if self.headers["X-Scope-OrgID"] == TENANTS[0] else []
            if trace_id in TRACES and spans:
                asked[trace_id] += 1
            if trace_id == GONE or (trace_id == HIDDEN and asked[trace_id] <= late):
                spans = []
            elif trace_id == TORN and asked[trace_id] <= late:
                spans = spans[1:]
            self.send_response(200 if spans else 404)
            self.end_headers()
            self.wfile.write(encode("traces", spans) if spans else b"")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def read(url: str, tenant: str) -> Counter[str]:
    reader = TempoReader(url, world(), all_acked())
    try:
        return Counter(
            span["content"]["span_id"] for span in reader.read(tenant, "traces", START - 10**12, START + 10**12)
        )
    finally:
        reader.close()


def test_a_trace_that_is_moved_while_it_is_asked_for_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempo, "_AGAIN_S", (0.0, 0.0))
    with store(late=2) as (url, asked):
        found = read(url, TENANTS[0])
    assert found == Counter(
        span.span_id.hex()
        for trace_id, spans in TRACES.items()
        if trace_id != GONE
        for span in spans
        if isinstance(span, Span)
    )
    assert asked[HIDDEN] == asked[TORN] == asked[GONE] == 3
    assert max(count for trace_id, count in asked.items() if trace_id not in (HIDDEN, TORN, GONE)) == 1


def test_what_is_torn_to_the_end_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempo, "_AGAIN_S", (0.0, 0.0))
    with store(late=9) as (url, _):
        found = read(url, TENANTS[0])
    assert found.keys() & {span.span_id.hex() for span in TRACES[TORN] if isinstance(span, Span)}
    assert len(found) == sum(map(len, TRACES.values())) - len(TRACES[HIDDEN]) - len(TRACES[GONE]) - 1


def test_traces_of_others_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempo, "_AGAIN_S", (60.0, 60.0))
    with store(late=0) as (url, _):
        reader = TempoReader(url, world(), {batch: fate for batch, fate in all_acked().items() if batch.tenant == 0})
        try:
            assert list(reader.read(TENANTS[1], "traces", START - 10**12, START + 10**12)) == []
        finally:
            reader.close()
