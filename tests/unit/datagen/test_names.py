"""Every attribute and metric name is one of the OpenTelemetry semantic conventions, or clearly our own."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from itertools import pairwise
from types import ModuleType

import opentelemetry.semconv._incubating.attributes as incubating
import opentelemetry.semconv._incubating.metrics as measured
import opentelemetry.semconv.attributes as stable
import pytest

from runners.datagen.model.tables import tables
from runners.ledger.items import SIGNALS, Sample, Span
from tests.unit.datagen.worlds import TEXT, world

NOT_STABLE_YET = {
    "service.namespace", "service.instance.id", "deployment.environment.name", "host.name", "k8s.namespace.name",
    "k8s.pod.name", "user.id", "thread.name", "messaging.system", "messaging.destination.name",
    "messaging.operation.type", "messaging.operation.name", "messaging.message.id", "messaging.consumer.group.name",
    "cpu.mode", "cpu.logical_number", "system.memory.state", "network.io.direction", "network.interface.name",
    "disk.io.direction", "system.device", "system.filesystem.mountpoint",
}  # fmt: skip
"""Names for which the conventions have nothing stable; each must still exist there."""
SPAN_METRICS = {"span.name", "span.kind", "status.code"}  # the Collector's span metrics connector
METRICS = {
    "system.cpu.utilization", "system.memory.usage", "system.memory.utilization", "system.network.io", "system.disk.io",
    "system.filesystem.utilization", "process.cpu.time", "process.memory.usage", "process.thread.count",
    "traces.span.metrics.calls",
}  # fmt: skip


def constants(package: ModuleType) -> set[str]:
    found = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        of = importlib.import_module(module.name)
        found |= {value for name, value in vars(of).items() if name.isupper() and isinstance(value, str)}
    return found


def deprecated(package: ModuleType) -> set[str]:
    """What the text below a constant says is replaced or removed."""
    found = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        tree = ast.parse(inspect.getsource(importlib.import_module(module.name)))
        for one, text in pairwise(tree.body):
            value = one.value if isinstance(one, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Constant) and isinstance(text, ast.Expr) and "Deprecated" in ast.unparse(text):
                found.add(str(value.value))
    return found


STABLE = constants(stable)


def ours(name: str) -> bool:
    return name.startswith(("app.", "testbed."))


def test_names_that_are_not_stable_yet_exist_all_the_same() -> None:
    assert not NOT_STABLE_YET - constants(incubating) - STABLE


def test_no_name_is_one_that_the_conventions_have_given_up() -> None:
    given_up = (deprecated(incubating) | deprecated(measured)) - STABLE  # or have moved to the stable ones
    assert {"http.method", "messaging.operation", "process.cpu.state"} <= given_up
    assert not given_up & (NOT_STABLE_YET | METRICS)


def test_every_metric_is_one_of_the_conventions() -> None:
    assert METRICS - constants(measured) == {"traces.span.metrics.calls"}


def test_every_name_of_the_topology_is_one_of_the_conventions() -> None:
    allowed = STABLE | NOT_STABLE_YET
    for visit in tables().kinds:
        assert {name for name in visit.operation.attributes if not ours(name)} <= allowed


@pytest.mark.parametrize("tick", [0, 3, 6])
def test_names_are_those_of_the_semantic_conventions(tick: int) -> None:
    of, allowed = world(text=TEXT.replace("20/s", "60/s")), STABLE | NOT_STABLE_YET
    for signal in SIGNALS:
        for item in of.slice(0, signal, tick):
            names = {*item.resource.attributes, *item.attributes}
            assert {name for name in names if not ours(name)} <= allowed | (
                SPAN_METRICS if isinstance(item, Sample) else set()
            )
            if isinstance(item, Sample):
                assert item.name in METRICS or ours(item.name)
            if isinstance(item, Span):
                for event in item.events:
                    assert event.name == "exception" and set(event.attributes) <= STABLE


def test_no_text_is_left_unfilled() -> None:
    of = world()
    for item in of.slice(0, "logs", 2):
        assert not {"{user}", "{product}", "{order}", "{client}"} & set(item.body.split())  # type: ignore[union-attr]
    for item in of.slice(0, "traces", 2):
        for name, value in item.attributes.items():
            if name != "http.route" and isinstance(value, str):
                assert "{" not in value, (name, value)
