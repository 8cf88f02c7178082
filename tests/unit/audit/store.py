"""A platform in memory for tests of the audit: it shows items as the platform's export does, and can be made to lie."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runners.audit.reader import Unreadable
from runners.ledger.items import Histogram, Item, LogRecord, Sample, Signal, Span, moment
from runners.ledger.shown import shown


def documents(item: Item) -> list[dict[str, Any]]:
    """An item as lines of the export: several of a histogram, none of a marker."""
    if isinstance(item, Sample | Histogram) and item.ended:
        return []
    if not isinstance(item, Histogram):
        return [document(item)]
    found = []
    for one in shown(item):
        attributes = item.attributes if one.le is None else {**item.attributes, "le": one.le}
        found.append(
            document(
                Sample(
                    item.seq, item.resource, item.name + one.suffix, item.unit, "counter", item.start, item.time,
                    one.value, attributes,
                )
            )
        )  # fmt: skip
    return found


def document(item: Span | LogRecord | Sample) -> dict[str, Any]:
    """An item as one line of the export."""
    content: dict[str, Any] = {"attributes": dict(item.attributes), "resource": dict(item.resource.attributes)}
    trace_id: str | None = None
    if isinstance(item, LogRecord):
        trace_id = item.trace_id.hex()
        content |= {
            "body": item.body, "severity_number": item.severity_number, "severity_text": item.severity_text,
            "span_id": item.span_id.hex(),
        }  # fmt: skip
    elif isinstance(item, Span):
        trace_id = item.trace_id.hex()
        content |= {
            "name": item.name, "span_id": item.span_id.hex(), "parent_span_id": item.parent_span_id.hex() or None,
            "kind": item.kind, "status_code": item.status_code, "status_message": item.status_message or None,
            "duration_ns": item.end - item.start,
            "events": [
                {"time_unix_nano": str(event.time), "name": event.name, "attributes": dict(event.attributes)}
                for event in item.events
            ],
        }  # fmt: skip
    else:
        content |= {
            "name": item.name, "unit": item.unit, "value": item.value,
            "type": "gauge" if item.instrument == "gauge" else "sum",
        }  # fmt: skip
    return {
        "time_unix_nano": str(moment(item)), "service": item.resource.service, "trace_id": trace_id, "content": content,
    }  # fmt: skip


@dataclass
class MemoryStore:
    """rows: what each tenant can read of each signal. cut: exports that end without their last line."""

    rows: dict[tuple[str, Signal], list[dict[str, Any]]] = field(default_factory=dict)
    cut: set[tuple[str, Signal]] = field(default_factory=set)
    hidden_reads: int = 0

    def put(self, tenant: str, signal: Signal, items: Iterable[Item]) -> None:
        self.rows.setdefault((tenant, signal), []).extend(line for item in items for line in documents(item))

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        if self.hidden_reads > 0:
            self.hidden_reads -= 1
            return
        for row in self.rows.get((tenant, signal), []):
            if start_ns <= int(row["time_unix_nano"]) < end_ns:
                yield copy.deepcopy(row)
        if (tenant, signal) in self.cut:
            raise Unreadable(f"the export of {signal} of {tenant} was cut off")
