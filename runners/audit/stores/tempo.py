"""Spans of a run, read from Grafana Tempo itself: trace by trace, since its search promises no completeness.

Which traces there must be, the ledger says. A span that was stored under a trace id which nobody made is not seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from runners.audit.source import Source
from runners.audit.stores.questions import Questions
from runners.ledger.attempt import Batch
from runners.ledger.items import Signal, Span
from runners.ledger.reader import Fate
from runners.ledger.sight import Sight

_PATH = "/api/traces/"
_AT_ONCE, _CHUNK = 4, 64
_AGAIN_S = (0.5, 2.0)
"""Pauses before those traces are asked for again that are not whole. Tempo does not find a trace for a moment while it moves
it from its memory to a block (1.5: seen once in some ten runs); what is still missing after all of these is missing."""
_NO_PARENT = (b"", bytes(8))


class _Asked(NamedTuple):
    """spans: the ids of those that should be there."""

    trace_id: bytes
    spans: set[str]

    def whole(self, found: Sequence[Mapping[str, Any]]) -> bool:
        return self.spans <= {str(span["content"]["span_id"]) for span in found}


class TempoReader:
    """The tenant is the header X-Scope-OrgID; a Tempo with one tenant for all is asked for each tenant's own traces."""

    def __init__(
        self, url: str, source: Source, fates: Mapping[Batch, Fate], *, shared: bool = False, patience_s: float = 30.0
    ) -> None:
        """shared: all tenants of the run are one to this Tempo."""
        self._ask, self._source, self._shared = Questions("Tempo", url, patience_s=patience_s), source, shared
        self._slices: dict[tuple[int, int], tuple[int, int]] = {}
        for batch, fate in fates.items():
            if batch.signal == "traces":
                first, last = self._slices.get((batch.tenant, batch.tick), (fate.first_time, fate.last_time))
                self._slices[batch.tenant, batch.tick] = min(first, fate.first_time), max(last, fate.last_time)

    @property
    def sight(self) -> Sight:
        """A span that came twice is shown once."""
        return Sight(duplicates=False, leaks=not self._shared, strangers=False)

    def close(self) -> None:
        self._ask.close()

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        """See `audit.reader.Reader`. Every tenant is asked for the traces of all of them: that is how a leak is seen."""
        assert signal == "traces"
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked: Iterable[_Asked] = self._asked(tenant, start_ns, end_ns)
            for pause_s in (*_AGAIN_S, None):
                torn: list[_Asked] = []
                for some in _chunks(iter(asked)):
                    traces = pool.map(lambda one: self._trace(tenant, one.trace_id), some)
                    for one, spans in zip(some, traces, strict=True):
                        if pause_s is not None and not one.whole(spans):
                            torn.append(one)
                            continue
                        yield from (span for span in spans if start_ns <= int(span["time_unix_nano"]) < end_ns)
                if not torn:
                    return
                time.sleep(pause_s or 0)
                asked = torn

    def _asked(self, tenant: str, start_ns: int, end_ns: int) -> Iterator[_Asked]:
        own = self._source.identity.tenants.index(tenant) if tenant in self._source.identity.tenants else None
        for (owner, tick), (first, last) in self._slices.items():
            if first < end_ns and last >= start_ns and (not self._shared or owner == own):
                spans: dict[bytes, set[str]] = {}
                for span in self._source.slice(owner, "traces", tick):
                    if isinstance(span, Span):
                        spans.setdefault(span.trace_id, set()).add(span.span_id.hex())
                yield from (_Asked(trace_id, ids if owner == own else set()) for trace_id, ids in spans.items())

    def _trace(self, tenant: str, trace_id: bytes) -> list[dict[str, Any]]:
        headers = {"Accept": "application/protobuf"} | ({} if self._shared else {"X-Scope-OrgID": tenant})
        answer = self._ask.get(_PATH + trace_id.hex(), {}, headers, (200, 404))
        if answer.status_code == 404:
            return []
        try:
            # tempopb.Trace has the field numbers of OTLP's TracesData, also where names are older ones.
            found = TracesData.FromString(answer.content)
        except DecodeError:
            raise self._ask.garbage(answer) from None
        spans: list[dict[str, Any]] = []
        for group in found.resource_spans:
            resource = _attributes(group.resource.attributes)
            spans += [_shown(span, resource) for scope in group.scope_spans for span in scope.spans]
        if not spans:
            raise self._ask.garbage(answer)
        return spans


def _shown(span: SpanMessage, resource: dict[str, Any]) -> dict[str, Any]:
    content = {
        "name": span.name, "span_id": span.span_id.hex(),
        "parent_span_id": "" if span.parent_span_id in _NO_PARENT else span.parent_span_id.hex(), "kind": int(span.kind),
        "status_code": int(span.status.code), "status_message": span.status.message,
        "duration_ns": span.end_time_unix_nano - span.start_time_unix_nano, "attributes": _attributes(span.attributes),
        "events": [
            {"time_unix_nano": event.time_unix_nano, "name": event.name, "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        "resource": resource,
    }  # fmt: skip
    return {
        "time_unix_nano": span.start_time_unix_nano, "service": resource.get("service.name"), "trace_id": span.trace_id.hex(),
        "content": content,
    }  # fmt: skip


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, kind) if (kind := pair.value.WhichOneof("value")) else None for pair in pairs}


def _chunks(asked: Iterator[_Asked]) -> Iterator[list[_Asked]]:
    chunk: list[_Asked] = []
    for one in asked:
        chunk.append(one)
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
