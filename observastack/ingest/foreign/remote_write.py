"""POST /api/v1/write (Prometheus remote write 1.0) as an OTLP metrics request: every series a gauge.

Remote write does not say what kind of metric a series belongs to. Its stale marker, one NaN among many, is OTLP's flag
no_recorded_value. Source: Prometheus Remote-Write 1.0 specification.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import DataPointFlags, Metric, ScopeMetrics

from observastack.ingest.foreign.messages import WriteRequest
from observastack.ingest.otlp import BadRequest, TooLarge
from observastack.store.rows import is_stale

TENANT_LABEL = "tenant"
_MS = 10**6


def to_otlp(body: bytes, limit: int) -> bytes:
    """A label `tenant` is left out: whose series it is says the token.

    limit: bytes of the labels of all samples together. A series says its labels once, a data point of OTLP has its own:
    one long label and many samples would take a thousand times the memory of the body. Raises BadRequest, TooLarge.
    """
    try:
        sent = WriteRequest.FromString(body)
    except DecodeError as error:
        raise BadRequest("not a remote write 1.0 request") from error
    request = ExportMetricsServiceRequest()
    written = 0
    scopes: dict[str, ScopeMetrics] = {}
    gauges: dict[tuple[str, str], Metric] = {}
    for series in sent.timeseries:
        labels = {pair.name: pair.value for pair in series.labels}
        if len(labels) != len(series.labels):
            raise BadRequest("a label is there twice")
        name = labels.pop("__name__", "")
        labels.pop(TENANT_LABEL, None)
        service = labels.get("service") or labels.get("job") or ""
        scope = scopes.get(service)
        if scope is None:
            group = request.resource_metrics.add()
            if service:
                group.resource.attributes.add(key="service.name").value.string_value = service
            scope = scopes[service] = group.scope_metrics.add()
        if series.histograms:  # the decoder rejects and counts them
            points = scope.metrics.add(name=name).exponential_histogram.data_points
            for _ in series.histograms:
                points.add()
        metric = gauges.get((service, name))
        if metric is None:
            metric = gauges[service, name] = scope.metrics.add(name=name)
            metric.gauge.SetInParent()
        pairs = [_pair(key, value) for key, value in labels.items()]
        written += sum(pair.ByteSize() for pair in pairs) * len(series.samples)
        if written > limit:
            raise TooLarge(f"the labels of all samples together are larger than {limit} bytes")
        for sample in series.samples:
            if not 0 <= sample.timestamp < 2**63 // _MS:
                raise BadRequest("a timestamp lies outside 1970 to 2262")
            point = metric.gauge.data_points.add(time_unix_nano=sample.timestamp * _MS)
            if is_stale(sample.value):
                point.flags = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
            else:
                point.as_double = sample.value
            point.attributes.extend(pairs)
    return request.SerializeToString()


def _pair(key: str, value: str) -> KeyValue:
    pair = KeyValue(key=key)
    pair.value.string_value = value
    return pair
