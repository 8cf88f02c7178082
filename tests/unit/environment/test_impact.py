"""Root causes and what they block, from the graph of requirements."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.environment import inventory
from runners.environment.host.binaries import Binary
from runners.environment.host.impact import failure_document, impact, order, with_requirements
from runners.environment.host.servers import requirements, select

GRAPH = {"postgres": (), "redis": (), "backend": ("postgres", "redis"), "ingest": ("postgres",), "web": ("backend",)}


@pytest.mark.parametrize("broken", sorted(GRAPH))
def test_a_single_broken_service_is_the_only_root_cause(broken: str) -> None:
    suffers = {name for name in GRAPH if broken in with_requirements(GRAPH, [name])}
    found = impact(GRAPH, [name for name in GRAPH if name not in suffers])
    assert found.root_causes == (broken,)
    assert found.blocked == dict.fromkeys(sorted(suffers - {broken}), (broken,))


def test_two_causes_of_one_blocked_service_are_both_named() -> None:
    found = impact(GRAPH, ["ingest"])
    assert found.root_causes == ("postgres", "redis")
    assert found.blocked == {"backend": ("postgres", "redis"), "web": ("postgres", "redis")}


@given(st.sets(st.sampled_from(sorted(GRAPH))))
def test_every_service_is_healthy_or_a_cause_or_blocked_by_a_cause(healthy: set[str]) -> None:
    found = impact(GRAPH, healthy)
    assert sorted([*found.healthy, *found.root_causes, *found.blocked]) == sorted(GRAPH)
    assert {cause for causes in found.blocked.values() for cause in causes} <= set(found.root_causes)


def test_requirements_come_first() -> None:
    names = order(GRAPH)
    assert all(names.index(needed) < names.index(name) for name, needs in GRAPH.items() for needed in needs)
    assert with_requirements(GRAPH, ["ingest"]) == ["postgres", "ingest"]


def test_a_circle_and_an_unknown_name_are_refused() -> None:
    with pytest.raises(ValueError, match="a → b → a"):
        order({"a": ["b"], "b": ["a"]})
    with pytest.raises(ValueError, match="'a' requires 'x'"):
        order({"a": ["x"]})


def test_the_report_shows_the_last_lines_of_each_cause_and_of_no_other(tmp_path: Path) -> None:
    for name in GRAPH:
        (tmp_path / name).write_text("\n".join(f"{name} {number}" for number in range(100)))
    services = [{"name": name, "requires": needs, "log": str(tmp_path / name)} for name, needs in GRAPH.items()]
    reasons = {"postgres": "disk full", "redis": None, "backend": "503", "ingest": "503", "web": "503"}
    document = failure_document(services, reasons, failed_task="Start", message="-")
    assert [cause["service"] for cause in document["root_causes"]] == ["postgres"]
    assert document["root_causes"][0]["reason"] == "disk full"
    assert document["root_causes"][0]["log"][-1] == "postgres 99"
    assert {item["service"] for item in document["blocked"]} == {"backend", "ingest", "web"}
    assert document["healthy"] == ["redis"]


def whole_graph() -> dict[str, tuple[str, ...]]:
    """The shipped catalogue with all it can have: real stores, and Keycloak for the users."""
    catalogue = inventory.load(inventory.find("local")).catalogue
    assert catalogue is not None
    entries = {name: service.model_dump() for name, service in catalogue.testbed_services.items()}
    found = {name: Binary(Path("/opt"), "1", "-", name, True) for name, entry in entries.items() if entry["binary"]}
    selection = select(entries, order(catalogue.requires), found, stores="real", identity="keycloak", frontend=True)
    assert selection.absent == {}
    needs = requirements(entries, selection, identity="keycloak")
    return {name: tuple(needed) for name, needed in needs.items()}


PAIRS = list(combinations(sorted(whole_graph()), 2))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_of_two_broken_services_the_causes_are_those_that_need_no_other_broken_one(first: str, second: str) -> None:
    graph = whole_graph()
    behind = {name: {other for other in graph if name in with_requirements(graph, [other])} for name in (first, second)}
    found = impact(graph, [name for name in graph if name not in behind[first] | behind[second]])
    causes = {first, second} - ({second} if second in behind[first] else set())
    causes -= {first} if first in behind[second] else set()
    assert set(found.root_causes) == causes
    assert set(found.blocked) == (behind[first] | behind[second]) - causes
    for name, why in found.blocked.items():
        assert set(why) == {cause for cause in causes if name in behind[cause]}
