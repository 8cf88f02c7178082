"""Series and samples of one tenant out of the store, in the form that the evaluator takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from observastack import defects
from observastack.backend.database import Connection
from observastack.backend.promql.evaluate import LOOKBACK_NS, Data, Labels, Series
from observastack.backend.promql.nodes import Matcher, Op, Selector, TooMuch
from observastack.backend.stores.ports import Tenant
from observastack.store.labels import labels_of
from observastack.store.rows import is_stale

MAX_SERIES = 50_000
MAX_SAMPLES = 2_000_000
BATCH = 10_000
DESCRIBED = 2_000
"""Series whose labels are made at a time, off the event loop."""


async def load(
    connection: Connection, tenant: Tenant, selectors: Iterable[Selector], start_ns: int, end_ns: int
) -> Data:
    """What each selector needs to be evaluated at any time in [start, end]. Raises TooMuch."""
    data: dict[Selector, list[Series]] = {}
    room = MAX_SAMPLES
    for selector in selectors:
        if selector in data:
            continue
        matched = await _series(connection, tenant, selector)
        window = LOOKBACK_NS if selector.range_ns is None else selector.range_ns
        first, last = start_ns - selector.offset_ns - window, end_ns - selector.offset_ns
        samples = await _samples(connection, tenant, list(matched), (first, last), room)
        data[selector] = [Series(matched[key], *found) for key, found in samples.items()]
        room -= sum(len(times) + len(ends) for times, _, ends in samples.values())
    return data


async def all_labels(connection: Connection, tenant: Tenant) -> list[dict[str, str]]:
    """The labels of every series of the tenant. Raises TooMuch."""
    condition = " OR true" if defects.active("label_values_leak") else ""
    return [labels for _, labels in await _described(connection, tenant, condition, {})]


async def _series(connection: Connection, tenant: Tenant, selector: Selector) -> dict[int, Labels]:
    condition, parameters = "", {}
    if selector.name is not None:
        condition, parameters = " AND x.name = %(name)s", {"name": selector.name}
    for matcher in selector.matchers:
        if matcher.label == "service" and matcher.op is Op.EQUAL:
            condition, parameters = condition + " AND x.service = %(service)s", {**parameters, "service": matcher.value}
    found = await _described(connection, tenant, condition, parameters)
    for matcher in selector.matchers:
        accepted = await _accepted(connection, matcher, {labels.get(matcher.label, "") for _, labels in found})
        found = [(key, labels) for key, labels in found if labels.get(matcher.label, "") in accepted]
    return await asyncio.to_thread(lambda: {key: tuple(sorted(labels.items())) for key, labels in found})


async def _accepted(connection: Connection, matcher: Matcher, values: set[str]) -> set[str]:
    """The values that the matcher lets through.

    PostgreSQL evaluates regular expressions: its time limit ends a malicious one, Python's engine has none.
    """
    if matcher.op is Op.EQUAL:
        return values & {matcher.value}
    if matcher.op is Op.NOT_EQUAL:
        return values - {matcher.value}
    cursor = await connection.execute(
        "SELECT value FROM unnest(%s::text[]) AS value WHERE value ~ %s", (list(values), f"^(?:{matcher.value})$")
    )
    matching = {str(row[0]) for row in await cursor.fetchall()}
    return matching if matcher.op is Op.REGEX else values - matching


async def _described(
    connection: Connection, tenant: Tenant, condition: str, parameters: dict[str, Any]
) -> list[tuple[int, dict[str, str]]]:
    statement = (
        "SELECT x.series_id, x.name, x.service, r.attrs::text, x.labels::text FROM series x"  # noqa: S608 - `condition` is text of this module
        " LEFT JOIN resources r ON r.tenant_id = x.tenant_id AND r.resource_id = x.resource_id"
        f" WHERE x.tenant_id = %(tenant)s{condition} LIMIT %(limit)s"
    )
    bound = {**parameters, "tenant": tenant.number, "limit": MAX_SERIES + 1}
    cursor = await connection.execute(statement.encode(), bound)
    if cursor.rowcount > MAX_SERIES:
        raise TooMuch(f"the query selects more than {MAX_SERIES} series")
    found: list[tuple[int, dict[str, str]]] = []
    while rows := await cursor.fetchmany(DESCRIBED):
        found += await asyncio.to_thread(_labelled, tenant, rows)  # 10,000 are a tenth of a second and more
    return found


def _labelled(tenant: Tenant, rows: Sequence[tuple[Any, ...]]) -> list[tuple[int, dict[str, str]]]:
    return [
        (key, labels_of(name, service, tenant.key, orjson.loads(resource or "{}"), orjson.loads(attributes)))
        for key, name, service, resource, attributes in rows
    ]


async def _samples(
    connection: Connection, tenant: Tenant, series: list[int], window: tuple[int, int], room: int
) -> dict[int, tuple[list[int], list[float], list[int]]]:
    """Times and values of the samples in (after, last] by series, and when it ended. A time that was stored twice counts once,
    as in Prometheus."""
    if not series:
        return {}
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        "SELECT series_id, ts, value FROM samples WHERE tenant_id = %s AND series_id = ANY(%s) AND ts > %s AND ts <= %s"
        " ORDER BY series_id, ts LIMIT %s",
        (tenant.number, series, *window, room + 1),
    )
    if cursor.rowcount > room:
        raise TooMuch(f"the query reads more than {MAX_SAMPLES} samples")
    found: dict[int, tuple[list[int], list[float], list[int]]] = {}
    while rows := await cursor.fetchmany(BATCH):
        for key, ts, value in rows:
            times, values, ends = found.setdefault(key, ([], [], []))
            if is_stale(value):
                ends.append(ts)
            elif times and times[-1] == ts:
                values[-1] = value
            else:
                times.append(ts)
                values.append(value)
        await asyncio.sleep(0)  # two million of them take a second: other requests get their turn
    return found
