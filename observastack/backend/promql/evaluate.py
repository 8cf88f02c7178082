"""Evaluate a compiled query at one time, on series that are already in memory."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from observastack.backend.promql.compile import COMPARISONS, is_scalar
from observastack.backend.promql.functions import OVER_TIME, bucket_quantile, extrapolated, extreme, total
from observastack.backend.promql.nodes import (
    Aggregate,
    BadQuery,
    Binary,
    Call,
    Negate,
    Node,
    Number,
    Selector,
    Unsupported,
)

LOOKBACK_NS = 300 * 10**9
Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name, `__name__` included where the metric name is kept."""


@dataclass(frozen=True)
class Series:
    """labels and samples (times in ns, ascending) of one stored series; ends: times of its stale markers, ascending. What has
    ended is not there until its next sample."""

    labels: Labels
    times: Sequence[int]
    values: Sequence[float]
    ends: Sequence[int] = ()


Vector = list[tuple[Labels, float]]
Data = Mapping[Selector, Sequence[Series]]


def evaluate(node: Node, at_ns: int, data: Data) -> float | Vector:
    """The value of a query at one time: a number, or a vector. Raises BadQuery when label sets collide."""
    match node:
        case Number(value=value):
            return value
        case Selector():
            return _instant(node, at_ns, data[node])
        case Negate(expr=expr):
            inner = evaluate(expr, at_ns, data)
            if isinstance(inner, float):
                return -inner
            return [(_nameless(labels), -value) for labels, value in inner]
        case Call():
            return _call(node, at_ns, data)
        case Aggregate():
            return _aggregate(node, at_ns, data)
        case Binary():
            return _binary(node, at_ns, data)


def matrix(selector: Selector, at_ns: int, data: Data) -> list[tuple[Labels, list[int], list[float]]]:
    """What a bare range selector selects: the raw samples of each series in (at - range, at]."""
    assert selector.range_ns is not None
    end = at_ns - selector.offset_ns
    found = []
    for series in data[selector]:
        first, last = bisect_right(series.times, end - selector.range_ns), bisect_right(series.times, end)
        if first < last:
            found.append((series.labels, list(series.times[first:last]), list(series.values[first:last])))
    return found


def unique(vector: Vector) -> Vector:
    """The same vector. Raises BadQuery when two elements carry the same labels (Prometheus: an execution error)."""
    if len({labels for labels, _ in vector}) != len(vector):
        raise BadQuery("vector cannot contain metrics with the same labelset")
    return vector


def _instant(selector: Selector, at_ns: int, series: Sequence[Series]) -> Vector:
    moment = at_ns - selector.offset_ns
    vector: Vector = []
    for one in series:
        index = bisect_right(one.times, moment) - 1
        if index < 0 or one.times[index] <= moment - LOOKBACK_NS:
            continue
        if bisect_right(one.ends, moment) == bisect_right(one.ends, one.times[index]):
            vector.append((one.labels, float(one.values[index])))
    return vector


def _call(call: Call, at_ns: int, data: Data) -> Vector:
    if call.function == "histogram_quantile":
        quantile = evaluate(call.arguments[0], at_ns, data)
        vector = evaluate(call.arguments[1], at_ns, data)
        assert isinstance(quantile, float)
        if isinstance(vector, float):
            raise BadQuery("histogram_quantile needs a vector of buckets")
        return _histogram_quantile(quantile, vector)
    selector = call.arguments[0]
    assert isinstance(selector, Selector) and selector.range_ns is not None
    end = at_ns - selector.offset_ns
    start = end - selector.range_ns
    result: Vector = []
    for series in data[selector]:
        first, last = bisect_right(series.times, start), bisect_right(series.times, end)
        if first == last:
            continue
        times, values = series.times[first:last], series.values[first:last]
        if call.function in OVER_TIME:
            value: float | None = OVER_TIME[call.function](values)
        else:
            value = extrapolated(
                (times, values), start, end, counter=call.function != "delta", per_second=call.function == "rate"
            )
        if value is not None:
            keep = call.function == "last_over_time"
            result.append((series.labels if keep else _nameless(series.labels), value))
    return unique(result)


def _histogram_quantile(quantile: float, vector: Vector) -> Vector:
    histograms: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in vector:
        bound = dict(labels).get("le")
        if bound is None:
            continue
        try:
            le = float(bound.replace("Inf", "inf"))
        except ValueError:
            continue  # Prometheus drops buckets whose bound is no number
        rest = tuple(pair for pair in labels if pair[0] not in ("le", "__name__"))
        histograms.setdefault(rest, []).append((le, value))
    return [(labels, bucket_quantile(quantile, buckets)) for labels, buckets in histograms.items()]


def _aggregate(node: Aggregate, at_ns: int, data: Data) -> Vector:
    vector = evaluate(node.expr, at_ns, data)
    if isinstance(vector, float):
        raise BadQuery(f"{node.op} needs a vector")
    groups: dict[Labels, Vector] = {}
    names = frozenset(node.labels)
    for labels, value in vector:
        if node.without:
            key = tuple(pair for pair in labels if pair[0] not in names and pair[0] != "__name__")
        else:
            key = tuple(pair for pair in labels if pair[0] in names)
        groups.setdefault(key, []).append((labels, value))
    if node.op in ("topk", "bottomk"):
        assert node.parameter is not None
        wanted = evaluate(node.parameter, at_ns, data)
        assert isinstance(wanted, float)
        count = 0 if math.isnan(wanted) else int(max(0.0, min(wanted, 1e9)))
        sign = -1 if node.op == "topk" else 1
        return [
            item
            for group in groups.values()
            # NaN is the least wanted in both directions
            for item in sorted(group, key=lambda pair: (math.isnan(pair[1]), sign * pair[1]))[:count]
        ]
    return [(key, _reduce(node.op, [value for _, value in group])) for key, group in groups.items()]


def _reduce(op: str, values: list[float]) -> float:
    match op:
        case "sum":
            return total(values)
        case "avg":
            return total(values) / len(values)
        case "count":
            return float(len(values))
        case "min" | "max":
            return extreme(values, least=op == "min")
        case _:
            raise Unsupported(f"aggregation {op} is not supported")


def _binary(node: Binary, at_ns: int, data: Data) -> float | Vector:
    left, right = evaluate(node.left, at_ns, data), evaluate(node.right, at_ns, data)
    apply = OPERATORS[node.op]
    compares = node.op in COMPARISONS
    if isinstance(left, float) and isinstance(right, float):
        return apply(left, right)
    if isinstance(left, float) or isinstance(right, float):
        vector = right if isinstance(left, float) else left
        assert isinstance(vector, list)
        result: Vector = []
        for labels, value in vector:
            outcome = apply(left, value) if isinstance(left, float) else apply(value, right)  # type: ignore[arg-type]
            if compares and not node.as_bool:
                if outcome:
                    result.append((labels, value))
            else:
                result.append((_nameless(labels), outcome))
        return result
    return _match(node, left, right, apply, filters=compares and not node.as_bool)


def _match(
    node: Binary, left: Vector, right: Vector, apply: Callable[[float, float], float], *, filters: bool
) -> Vector:
    """One-to-one matching: both sides may hold one element for each matching label set."""
    others: dict[Labels, float] = {}
    for labels, value in right:
        key = _matching_key(node, labels)
        if key in others:
            raise BadQuery("many-to-many matching: the right side has several elements with the same matching labels")
        others[key] = value
    result, seen = [], set()
    for labels, value in left:
        key = _matching_key(node, labels)
        if key not in others:
            continue
        if key in seen:
            raise BadQuery("many-to-one matching: the left side has several elements with the same matching labels")
        seen.add(key)
        outcome = apply(value, others[key])
        if not filters:
            result.append((key, outcome))
        elif outcome:
            result.append((labels if node.on is None else key, value))
    return result


def _matching_key(node: Binary, labels: Labels) -> Labels:
    if node.on is None:
        return _nameless(labels)
    names = frozenset(node.on)
    if node.ignoring:
        return tuple(pair for pair in labels if pair[0] not in names and pair[0] != "__name__")
    return tuple(pair for pair in labels if pair[0] in names)


def _nameless(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "__name__")


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _modulo(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf if left > 0 or right % 2 == 0 else -math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan  # 0 ^ -1 is +Inf, (-1) ^ 0.5 is NaN (IEEE 754 pow)


OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": _modulo,
    "^": _power,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    ">": lambda a, b: float(a > b),
    "<": lambda a, b: float(a < b),
    ">=": lambda a, b: float(a >= b),
    "<=": lambda a, b: float(a <= b),
}


def result_type(node: Node) -> str:
    """Prometheus' resultType of an instant query."""
    if is_scalar(node):
        return "scalar"
    return "matrix" if isinstance(node, Selector) and node.range_ns is not None else "vector"
