"""What a user does: for each operation, what is asked and what a right answer looks like. Pure; nothing is sent here.

The shapes are those of the canonical models (SearchResult and Item, trace, Prometheus' query answer).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

KNOWN_MAX = 200
FRESH_NS = 60 * 10**9


@dataclass(frozen=True)
class Problem:
    """A wrong answer. what: the same for all of its kind (it is counted by it); detail: this case."""

    what: str
    detail: str = ""


@dataclass
class Memory:
    """What the users of one tenant have seen: trace ids, services, and metrics with the time (Unix ns) they last had."""

    traces: deque[str] = field(default_factory=lambda: deque(maxlen=KNOWN_MAX))
    services: deque[str] = field(default_factory=lambda: deque(maxlen=KNOWN_MAX))
    metrics: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def add(known: deque[str], value: Any) -> None:
        if isinstance(value, str) and value and value not in known:
            known.append(value)

    def add_metric(self, name: Any, when_ns: int) -> None:
        if isinstance(name, str) and name:
            self.metrics[name] = max(when_ns, self.metrics.get(name, 0))
            if len(self.metrics) > KNOWN_MAX:
                del self.metrics[next(iter(self.metrics))]


@dataclass(frozen=True)
class Habits:
    """What the scenario says about asking. window_s: how far back; limit: items a search may give."""

    window_s: float
    limit: int
    queries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asker:
    """Who asks, and when."""

    rng: random.Random
    memory: Memory
    habits: Habits
    now_ns: int


@dataclass(frozen=True)
class Reply:
    """What was answered. items: None when there is no list where the profile says."""

    document: Any
    items: Sequence[Any] | None


class Step:
    """One operation as a user does it. needs: the operation whose answers say what to ask for."""

    operation: ClassVar[str]
    needs: ClassVar[str | None] = None

    def can(self, asker: Asker) -> bool:
        """Is enough known to ask?"""
        return self.needs is None or bool(self.choices(asker))

    def choices(self, asker: Asker) -> Sequence[str]:
        """What there is to ask for, where `needs` says that it must be known."""
        raise NotImplementedError

    def ask(self, asker: Asker) -> dict[str, Any]:
        """The variables of the request."""
        raise NotImplementedError

    def check(self, asked: dict[str, Any], reply: Reply) -> Problem | None:
        """What is wrong with the answer, if anything."""
        raise NotImplementedError

    def learn(self, memory: Memory, items: Sequence[Any]) -> None:
        """Remember what later steps ask for. Only items of the own tenant come here."""


class SignIn(Step):
    """Log in anew; the user's session does it (runners.load.users)."""

    operation = "auth.login"


class Search(Step):
    """Newest items of one signal, in half of the cases of one service."""

    source: ClassVar[str]

    def ask(self, asker: Asker) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "from": str(asker.now_ns - int(asker.habits.window_s * 1e9)), "to": str(asker.now_ns),
            "limit": asker.habits.limit, "sort_order": "desc",
        }  # fmt: skip
        if asker.memory.services and asker.rng.random() < 0.5:
            service = asker.rng.choice(asker.memory.services)
            asked["filters"] = [{"field": "service", "operator": "equals", "value": service}]
        return asked

    def check(self, asked: dict[str, Any], reply: Reply) -> Problem | None:
        if (items := reply.items) is None:
            return Problem("no list of items")
        if len(items) > asked["limit"]:
            return Problem("more items than asked for", f"{len(items)} of at most {asked['limit']}")
        earliest, latest = int(asked["from"]), int(asked["to"])
        service = asked["filters"][0]["value"] if asked.get("filters") else None
        before = latest
        for item in items:
            if (wrong := self._shape(item)) is not None:
                return wrong
            when = int(item["time_unix_nano"])
            if not earliest <= when <= latest:
                return Problem("item outside the time range", f"{when} is not within {earliest}..{latest}")
            if when > before:
                return Problem("items not in the order asked for", f"{when} after {before}")
            if service is not None and item.get("service") != service:
                return Problem("filter not honoured", f"service {item.get('service')!r} instead of {service!r}")
            before = when
        return None

    def _shape(self, item: Any) -> Problem | None:
        if not isinstance(item, dict):
            return Problem("item is not an object", type(item).__name__)
        for name, kind in (("id", str), ("timestamp", str), ("time_unix_nano", str), ("content", dict)):
            if not isinstance(item.get(name), kind):
                return Problem(f"item without {name}", f"{name} is {type(item.get(name)).__name__}")
        if not item["time_unix_nano"].isdecimal():
            return Problem("item without time_unix_nano", "it is not a decimal number")
        if item.get("source") != self.source:
            return Problem("item of another signal", f"source {item.get('source')!r} instead of {self.source!r}")
        return None

    def learn(self, memory: Memory, items: Sequence[Any]) -> None:
        for item in items:
            memory.add(memory.services, item.get("service"))


class SearchLogs(Search):
    operation, source = "search.logs", "logs"


class SearchTraces(Search):
    operation, source = "search.traces", "traces"

    def learn(self, memory: Memory, items: Sequence[Any]) -> None:
        super().learn(memory, items)
        for item in items:
            memory.add(memory.traces, item.get("trace_id"))


class SearchMetrics(Search):
    operation, source = "search.metrics", "metrics"

    def learn(self, memory: Memory, items: Sequence[Any]) -> None:
        super().learn(memory, items)
        for item in items:
            memory.add_metric(item["content"].get("name"), int(item["time_unix_nano"]))


class OpenTrace(Step):
    """Open a trace that a search has shown."""

    operation, needs = "traces.get", "search.traces"

    def choices(self, asker: Asker) -> Sequence[str]:
        return asker.memory.traces

    def ask(self, asker: Asker) -> dict[str, Any]:
        return {"trace_id": asker.rng.choice(self.choices(asker))}

    def check(self, asked: dict[str, Any], reply: Reply) -> Problem | None:
        document = reply.document
        if (items := reply.items) is None:
            return Problem("no list of spans")
        if not items:
            return Problem("trace without spans", f"trace {asked['trace_id']} was found by a search")
        stated = document.get("trace_id") if isinstance(document, dict) else None
        if stated is not None and stated != asked["trace_id"]:
            return Problem("another trace", f"{stated!r} instead of {asked['trace_id']!r}")
        for span in items:
            if not isinstance(span, dict):
                return Problem("span is not an object", type(span).__name__)
            if span.get("trace_id", stated) != asked["trace_id"]:  # one of the two must say it
                return Problem("span of another trace", f"{span.get('trace_id')!r} instead of {asked['trace_id']!r}")
        return None


class QueryMetric(Step):
    """Evaluate PromQL: the scenario's now, else a selector of (or a sum over) a metric when a search has shown it.

    fresh: the metric was seen so lately that it must be found, whether or not the profile passes the time on
    (Prometheus looks back five minutes).
    """

    operation, needs = "metrics.query", "search.metrics"

    def choices(self, asker: Asker) -> Sequence[str]:
        return asker.habits.queries or list(asker.memory.metrics)

    def ask(self, asker: Asker) -> dict[str, Any]:
        chosen = asker.rng.choice(self.choices(asker))
        if asker.habits.queries:
            return {"query": chosen}
        name, seen_ns = chosen.replace("\\", "\\\\").replace('"', '\\"'), asker.memory.metrics[chosen]
        selector = f'{{__name__="{name}"}}'
        return {
            "query": selector if asker.rng.random() < 0.7 else f"sum({selector})",
            "time": (seen_ns // 10**6 + 1) / 1000,  # a float of seconds cannot hold ns: the next whole ms
            "fresh": asker.now_ns - seen_ns < FRESH_NS,
        }

    def check(self, asked: dict[str, Any], reply: Reply) -> Problem | None:
        document = reply.document
        if not isinstance(document, dict) or document.get("status") != "success":
            return Problem("status is not success")
        data = document.get("data")
        kind = data.get("resultType") if isinstance(data, dict) else None
        if kind not in ("vector", "scalar", "matrix", "string"):
            return Problem("unknown resultType", repr(kind))
        if kind != "vector":
            return None
        if (items := reply.items) is None:
            return Problem("no list of series")
        if not items and asked.get("fresh"):
            return Problem("no series of a metric that a search has shown", asked["query"])
        wanted = asked["query"].removeprefix('{__name__="').removesuffix('"}')
        for series in items:
            if not isinstance(series, dict) or not isinstance(series.get("metric"), dict):
                return Problem("series without labels")
            if not _is_sample(series.get("value")):
                return Problem("series without a value", repr(series.get("value"))[:80])
            if wanted != asked["query"] and series["metric"].get("__name__", wanted) != wanted:
                return Problem("another metric", f"{series['metric']['__name__']!r} instead of {wanted!r}")
        return None


def _is_sample(value: Any) -> bool:
    """A sample of Prometheus' HTTP API: [Unix seconds, "number"]."""
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], str)):
        return False
    try:
        float(value[0]), float(value[1])
    except (TypeError, ValueError):
        return False
    return True


STEPS: dict[str, Step] = {
    step.operation: step
    for step in (SignIn(), SearchLogs(), SearchTraces(), SearchMetrics(), OpenTrace(), QueryMetric())
}
