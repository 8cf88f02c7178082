"""A log record as Grafana Loki shows it: labels of its stream, and structured metadata for everything else.

Attributes and resource become labels by the rule of `sight.labels`; `trace_id`, `span_id`, `severity_text` and
`severity_number` stand where OTLP has fields of their own. Loki gives labels and metadata back as one set of names.
"""

from __future__ import annotations

from runners.ledger.items import LogRecord, Resource
from runners.ledger.sight import labels

STREAM = ("service_name", "service_namespace", "deployment_environment_name")
LEVEL = "level"
"""The labels of a stream; the first are its resource's."""
_NOBODY = Resource("", "", {})


def metadata_of(record: LogRecord) -> dict[str, str]:
    """The structured metadata of a record, by name."""
    of_resource = labels(record.resource, {})
    for name in STREAM:
        of_resource.pop(name, None)
    return of_resource | own_metadata(record)


def own_metadata(record: LogRecord) -> dict[str, str]:
    """What the record says itself. A name that its stream has too gets the ending that Loki would show it with."""
    found = {
        f"{name}_extracted" if name in (*STREAM, LEVEL) else name: value
        for name, value in labels(_NOBODY, record.attributes).items()
    }
    found |= {
        "trace_id": record.trace_id.hex(), "span_id": record.span_id.hex(), "severity_text": record.severity_text,
        "severity_number": str(record.severity_number) if record.severity_number else "",
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def shown_as(record: LogRecord) -> dict[str, str]:
    """Everything that Loki shows beside time and line."""
    level = {LEVEL: record.severity_text.lower()} if record.severity_text else {}
    return labels(record.resource, {}) | level | own_metadata(record)
