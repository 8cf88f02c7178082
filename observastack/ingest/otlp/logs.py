"""ExportLogsServiceRequest to rows."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from observastack import defects
from observastack.ingest.otlp.batch import Batch, Dictionary
from observastack.ingest.otlp.values import attributes, clean, text_of, to_json
from observastack.store.rows import INT64_MAX, NULL, field, log_row

_ZERO_TRACE, _ZERO_SPAN = bytes(16), bytes(8)


def decode_logs(body: bytes, tenant: int, dictionary: Dictionary, first_id: int, now: int) -> Batch:
    """now: ns, for records with no time of their own. Raises DecodeError."""
    batch = Batch("logs")
    item = first_id
    corrupt, rounded = defects.active("content_corrupt"), defects.active("timestamp_rounded")
    unsevere, cut = defects.active("severity_lost"), 256 if defects.active("log_body_truncated") else None
    encoding = "ascii" if defects.active("unicode_mangled") else "utf-8"
    severities: dict[str, bytes] = {"": NULL}
    for group in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = dictionary.resource(tenant, group.resource, batch)
        for scope in group.scope_logs:
            for record in scope.log_records:
                trace_id, span_id = record.trace_id, record.span_id
                if len(trace_id) not in (0, 16) or len(span_id) not in (0, 8):
                    batch.reject("trace_id must have 16 bytes and span_id 8")
                    continue
                if not 0 <= record.severity_number <= 24:
                    batch.reject("severity_number must be 0 to 24")
                    continue
                severity_text = severities.get(record.severity_text)
                if severity_text is None:
                    severity_text = severities[record.severity_text] = field(clean(record.severity_text).encode())
                text = text_of(record.body)
                ts = min(record.time_unix_nano or record.observed_time_unix_nano or now, INT64_MAX)
                attrs = to_json(attributes(record.attributes))
                batch.rows.append(
                    log_row(
                        ts=ts - ts % 10**6 if rounded else ts,
                        item=item,
                        resource=resource.resource_id,
                        severity=0 if unsevere else record.severity_number,
                        span_id=b"" if span_id == _ZERO_SPAN else span_id,
                        trace_id=b"" if trace_id == _ZERO_TRACE else trace_id,
                        service=resource.service_field,
                        severity_text=severity_text,
                        body=NULL if text is None else field(text[:cut].encode(encoding, "replace")),
                        attrs=attrs.replace(b'"}', b'~"}', 1) if corrupt else attrs,
                    )
                )
                item += 1
    return batch
