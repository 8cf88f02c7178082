"""How a store shows a histogram: held against the platform's own way to show what OTLP says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from observastack.ingest.otlp.histograms import classic, exponential
from runners.ledger.items import Exemplar, Histogram, Resource
from runners.ledger.shown import piece, series_of, shown, shown_at, split
from runners.wire.otlp import encode_metrics

RESOURCE = Resource("shop", "i", {"service.name": "shop"})
counts = st.lists(st.integers(0, 2**40), min_size=1, max_size=20)
bounds = st.lists(st.floats(0.001, 1e4), min_size=0, max_size=15, unique=True).map(sorted)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    if draw(st.booleans()):
        edges = tuple(draw(bounds))
        cells = tuple(draw(st.lists(st.integers(0, 2**40), min_size=len(edges) + 1, max_size=len(edges) + 1)))
        scale, offset, zero, threshold = None, 0, 0, 0.0
    else:
        edges, cells = (), tuple(draw(counts))
        scale, offset, zero = draw(st.integers(-2, 4)), draw(st.integers(-20, 20)), draw(st.integers(0, 3))
        threshold = 1e-9
    exemplars = draw(st.sampled_from([(), (Exemplar(0.5, 7, b"t" * 16, b"s" * 8),)]))
    return Histogram(
        0, RESOURCE, "took", "s", 1, 2, sum(cells) + zero, draw(st.floats(0, 1e6)), cells, edges, scale, offset, zero,
        threshold, {"a": "b"}, exemplars,
    )  # fmt: skip


@given(histograms())
def test_the_platform_shows_what_is_sent_as_the_audit_expects_it(sent: Histogram) -> None:
    request = ExportMetricsServiceRequest.FromString(encode_metrics([sent]))
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    if sent.scale is None:
        (point,) = metric.histogram.data_points
        found = list(classic(point))
    else:
        (other,) = metric.exponential_histogram.data_points
        found = list(exponential(other))
    assert [tuple(one) for one in found] == [tuple(one) for one in shown(sent)]
    assert len(found) == series_of(sent)


@given(histograms())
def test_each_sample_is_one_piece(sent: Histogram) -> None:
    pieces = [piece(sent, one.suffix, one.le) for one in shown(sent)]
    assert pieces == [*range(series_of(sent))]
    assert tuple(shown_at(sent, place) for place in range(series_of(sent))) == shown(sent)
    assert piece(sent, "_bucket", "0.123456") is None
    assert piece(sent, "_bucket", None) is None
    assert piece(sent, "_count", "1") is None
    assert piece(sent, "", None) is None


def test_a_name_is_taken_apart() -> None:
    assert split("took_bucket", {"a": 1, "le": "5"}) == ("took", "_bucket", "5", {"a": 1})
    assert split("took_sum", {"a": 1}) == ("took", "_sum", None, {"a": 1})
    assert split("took", {"a": 1}) is None
