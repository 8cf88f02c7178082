"""Every attribute and metric name is one of the OpenTelemetry semantic conventions 1.44, or clearly our own."""

from __future__ import annotations

from runners.ledger.items import SIGNALS, Sample, Span
from tests.unit.datagen.worlds import world

RESOURCE = {
    "service.name", "service.namespace", "service.version", "service.instance.id", "deployment.environment.name",
    "host.name", "k8s.namespace.name", "k8s.pod.name", "telemetry.sdk.name", "telemetry.sdk.language",
    "telemetry.sdk.version",
}  # fmt: skip
ATTRIBUTES = {
    "http.request.method", "http.response.status_code", "http.route", "url.path", "url.query", "url.scheme", "url.full",
    "server.address", "server.port", "client.address", "user_agent.original", "network.protocol.version", "user.id",
    "error.type", "exception.type", "exception.message", "code.function.name", "thread.id",
    "db.system.name", "db.namespace", "db.operation.name", "db.collection.name", "db.query.text",
    "messaging.system", "messaging.destination.name", "messaging.operation.type", "messaging.operation.name",
    "messaging.message.id",
    "cpu.mode", "cpu.logical_number", "system.memory.state", "network.io.direction", "network.interface.name",
    "disk.io.direction", "system.device", "system.filesystem.mountpoint",
}  # fmt: skip
SPAN_METRICS = {"span.name", "span.kind", "status.code"}  # the Collector's span metrics connector
METRICS = {
    "system.cpu.utilization", "system.memory.usage", "system.memory.utilization", "system.network.io", "system.disk.io",
    "system.filesystem.utilization", "process.cpu.time", "process.memory.usage", "process.thread.count",
    "traces.span.metrics.calls",
}  # fmt: skip


def ours(name: str) -> bool:
    return name.startswith(("app.", "testbed."))


def test_names_are_those_of_the_semantic_conventions() -> None:
    of = world()
    for tick in range(of.ticks + 1):
        for signal in SIGNALS:
            for item in of.slice(0, signal, tick):
                assert all(name in RESOURCE or ours(name) for name in item.resource.attributes)
                allowed = ATTRIBUTES | (SPAN_METRICS if isinstance(item, Sample) else set())
                assert {name for name in item.attributes if not ours(name)} <= allowed
                if isinstance(item, Sample):
                    assert item.name in METRICS or ours(item.name)
                if isinstance(item, Span):
                    for event in item.events:
                        assert event.name == "exception" and set(event.attributes) <= ATTRIBUTES


def test_no_text_is_left_unfilled() -> None:
    of = world()
    for item in of.slice(0, "logs", 2):
        assert not {"{user}", "{product}", "{order}", "{client}"} & set(item.body.split())  # type: ignore[union-attr]
    for item in of.slice(0, "traces", 2):
        for name, value in item.attributes.items():
            if name != "http.route" and isinstance(value, str):
                assert "{" not in value, (name, value)
