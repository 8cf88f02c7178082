"""Content checks: each thing that can be wrong with an answer is seen and named."""

import copy
import random
from typing import Any

import pytest

from runners.load.steps import STEPS, Asker, Habits, Memory, Reply

NOW = 1_800_000_000_000_000_000


def asker(memory: Memory | None = None, queries: tuple[str, ...] = ()) -> Asker:
    return Asker(random.Random(3), memory or Memory(), Habits(900.0, 3, queries), NOW)


def item(age_s: float, source: str = "logs", service: str = "web") -> dict[str, Any]:
    return {
        "id": "i", "timestamp": "2027-01-15T08:00:00Z", "time_unix_nano": str(NOW - int(age_s * 1e9)),
        "source": source, "service": service, "trace_id": "ab" * 16, "content": {"name": "requests"},
    }  # fmt: skip


ASKED = {
    "from": str(NOW - 900 * 10**9), "to": str(NOW), "limit": 3,
    "filters": [{"field": "service", "operator": "equals", "value": "web"}],
}  # fmt: skip
RIGHT = [item(1), item(2), item(2)]


def wrong(what: str) -> Any:
    items = copy.deepcopy(RIGHT)
    match what:
        case "more items than asked for":
            items.append(item(3))
        case "item outside the time range":
            items[2] = item(901)
        case "items not in the order asked for":
            items[2] = item(1)
        case "filter not honoured":
            items[1]["service"] = "db"
        case "item of another signal":
            items[0]["source"] = "traces"
        case "item without id":
            del items[0]["id"]
        case "item without content":
            items[0]["content"] = None
        case "item without time_unix_nano":
            items[0]["time_unix_nano"] = "yesterday"
        case "item is not an object":
            items[0] = "text"
        case "no list of items":
            return None
    return items


def test_a_right_answer_has_no_problem() -> None:
    assert STEPS["search.logs"].check(ASKED, Reply({}, RIGHT)) is None
    assert STEPS["search.logs"].check(ASKED, Reply({}, [])) is None


@pytest.mark.parametrize(
    "what",
    [
        "more items than asked for", "item outside the time range", "items not in the order asked for",
        "filter not honoured", "item of another signal", "item without id", "item without content",
        "item without time_unix_nano", "item is not an object", "no list of items",
    ],
)  # fmt: skip
def test_a_wrong_search_answer_is_named(what: str) -> None:
    problem = STEPS["search.logs"].check(ASKED, Reply({}, wrong(what)))
    assert problem is not None
    assert problem.what == what


def test_a_search_asks_for_what_it_will_check() -> None:
    memory = Memory()
    memory.services.append("web")
    many = [STEPS["search.logs"].ask(Asker(random.Random(n), memory, Habits(60, 7), NOW)) for n in range(40)]
    assert {asked["limit"] for asked in many} == {7}
    assert {asked["from"] for asked in many} == {str(NOW - 60 * 10**9)}
    assert 5 < sum("filters" in asked for asked in many) < 35


def test_a_trace_is_opened_only_when_a_search_has_shown_one() -> None:
    memory, step = Memory(), STEPS["traces.get"]
    assert not step.can(asker(memory))
    STEPS["search.traces"].learn(memory, [item(1, "traces")])
    assert step.can(asker(memory))
    assert step.ask(asker(memory)) == {"trace_id": "ab" * 16}


@pytest.mark.parametrize(
    ("document", "spans", "what"),
    [
        ({"trace_id": "t"}, [{"trace_id": "t"}], None),
        ({"trace_id": "t"}, [{"name": "no id of its own"}], None),
        ({"trace_id": "t"}, [], "trace without spans"),
        ({"trace_id": "u"}, [{"trace_id": "t"}], "another trace"),
        ({"trace_id": "t"}, [{"trace_id": "u"}], "span of another trace"),
        ({"trace_id": "t"}, ["text"], "span is not an object"),
        ({"trace_id": "t"}, None, "no list of spans"),
    ],
)
def test_a_wrong_trace_is_named(document: Any, spans: Any, what: str | None) -> None:
    problem = STEPS["traces.get"].check({"trace_id": "t"}, Reply(document, spans))
    assert (problem.what if problem else None) == what


QUERY = '{__name__="requests"}'
SERIES = {"metric": {"__name__": "requests"}, "value": [1.5, "3"]}


@pytest.mark.parametrize(
    ("query", "status", "kind", "series", "what"),
    [
        (QUERY, "success", "vector", [SERIES], None),
        (QUERY, "success", "vector", [], None),
        ("sum(up)", "success", "vector", [{"metric": {}, "value": [1, "NaN"]}], None),
        ("1", "success", "scalar", None, None),
        (QUERY, "error", "vector", [SERIES], "status is not success"),
        (QUERY, "success", "table", [SERIES], "unknown resultType"),
        (QUERY, "success", "vector", None, "no list of series"),
        (QUERY, "success", "vector", [{"value": [1, "3"]}], "series without labels"),
        (QUERY, "success", "vector", [{"metric": {}, "value": [1, 3]}], "series without a value"),
        (QUERY, "success", "vector", [{"metric": {}, "value": [1, "much"]}], "series without a value"),
        (QUERY, "success", "vector", [{"metric": {"__name__": "other"}, "value": [1, "3"]}], "another metric"),
    ],
)
def test_a_wrong_query_answer_is_named(query: str, status: str, kind: str, series: Any, what: str | None) -> None:
    document = {"status": status, "data": {"resultType": kind, "result": series}}
    problem = STEPS["metrics.query"].check({"query": query}, Reply(document, series))
    assert (problem.what if problem else None) == what


def test_a_metric_that_was_just_seen_must_be_found() -> None:
    reply = Reply({"status": "success", "data": {"resultType": "vector", "result": []}}, [])
    problem = STEPS["metrics.query"].check({"query": QUERY, "fresh": True}, reply)
    assert problem is not None
    assert problem.what == "no series of a metric that a search has shown"
    assert STEPS["metrics.query"].check({"query": QUERY, "fresh": False}, reply) is None


def test_a_query_is_the_scenario_s_or_about_a_metric_when_it_was_seen() -> None:
    memory, step = Memory(), STEPS["metrics.query"]
    assert not step.can(asker(memory))
    assert step.ask(asker(memory, ("sum(up)",))) == {"query": "sum(up)"}
    seen = NOW - 61 * 10**9 + 123_456_789
    memory.add_metric('odd"name', seen)
    memory.add_metric('odd"name', seen - 5)
    asked = step.ask(asker(memory))
    assert '"odd\\"name"' in asked["query"]
    assert seen < asked["time"] * 1e9 < seen + 2 * 10**6
    assert not asked["fresh"]


def test_memory_stays_bounded() -> None:
    memory = Memory()
    for number in range(1000):
        memory.add_metric(f"metric {number}", number)
        memory.add(memory.traces, f"trace {number}")
    assert len(memory.metrics) == len(memory.traces) == 200
    assert "metric 999" in memory.metrics
