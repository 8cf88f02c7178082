"""Counts over time and by value, in one statement per time slice, newest first until the budget ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from observastack import defects
from observastack.backend.database import Connection
from observastack.backend.sources import SourceName
from observastack.backend.stores.embedded.filters import Conditions, conditions, facet, severity_name
from observastack.backend.stores.embedded.rows import shown, tables
from observastack.backend.stores.embedded.slices import sliced
from observastack.backend.stores.ports import (
    ERROR_SPANS,
    FACET_VALUES,
    SAMPLES,
    SPANS,
    Aggregated,
    Buckets,
    Selected,
)

BUDGET_S = 2.0
# Values of a field that one slice contributes: enough that the first FACET_VALUES of the sum are right in practice,
# few enough that a field of unique values does not fill the memory.
SLICE_VALUES = 1_000
_KEYS: dict[SourceName, str] = {
    "logs": severity_name("s.severity"),
    "traces": f"CASE WHEN s.status = 2 THEN '{ERROR_SPANS}' ELSE '{SPANS}' END",
    "metrics": f"'{SAMPLES}'::text",
}


@dataclass(frozen=True)
class Counting:
    """What to count."""

    source: SourceName
    tenant: int
    selected: Selected
    buckets: Buckets
    fields: Sequence[str]


async def count(connection: Connection, wanted: Counting, *, budget_s: float = BUDGET_S) -> Aggregated:
    """Raises BadFilter."""
    filters = conditions(wanted.source, wanted.selected.filters, wanted.selected.free_text)
    statement, fields = _statement(wanted, filters)
    counts: list[Counter[str]] = [Counter() for _ in range(wanted.buckets.count)]
    facets: dict[str, Counter[str]] = {name: Counter() for name in wanted.fields}

    async def more(first: int, last: int) -> bool:
        parameters = {**filters.parameters, "first": first, "last": last}
        for group, bucket, key, value, number in await (
            await connection.execute(statement.encode(), parameters, prepare=False)
        ).fetchall():
            if group < 0:
                counts[bucket][key] += number
            elif value is not None:
                facets[fields[group]][value] += number
        return True

    span = (wanted.selected.start, wanted.selected.end)
    edge = await sliced(connection, span, more, descending=True, budget_s=budget_s)
    return Aggregated(
        [dict(one) for one in counts],
        {name: dict(found.most_common(FACET_VALUES)) for name, found in facets.items()},
        edge is None,
        edge,
    )


def _statement(wanted: Counting, filters: Conditions) -> tuple[str, list[str]]:
    """Rows (group, bucket, key, value, count): group -1 counts over time, any other is the index of a field."""
    expressions = {name: facet(filters, wanted.source, name) for name in dict.fromkeys(wanted.fields)}
    fields = [name for name, expression in expressions.items() if expression is not None]
    first, step = filters.bind(wanted.buckets.start), filters.bind(wanted.buckets.step)
    columns = [f"((s.ts - {first}) / {step})::int AS bucket", f"{_KEYS[wanted.source]} AS key"]
    columns += [f"{expressions[name]} AS f{place}" for place, name in enumerate(fields)]
    where = f"s.ts >= %(first)s AND s.ts < %(last)s{filters.sql}{shown(wanted.source)}"
    if not defects.active("list_leak"):
        where = f"s.tenant_id = {filters.bind(wanted.tenant)} AND {where}"
    sets = ["(bucket, key)", *(f"(f{place})" for place in range(len(fields)))]
    # GROUPING() is 0 for the columns that the row's set has.
    group = "".join(f" WHEN GROUPING(f{place}) = 0 THEN {place}" for place in range(len(fields)))
    group = f"CASE WHEN GROUPING(bucket) = 0 THEN -1{group} END"
    value = f"coalesce({', '.join(f'f{place}' for place in range(len(fields)))})" if fields else "NULL::text"
    resource = any(name.startswith("resource.") for name in fields)
    # No values: only this package's text, every value is bound.
    text = (
        f"SELECT part, bucket, key, value, n FROM (SELECT {group} AS part, bucket, key, {value} AS value, count(*) AS n,"  # noqa: S608
        f" row_number() OVER (PARTITION BY {group} ORDER BY count(*) DESC) AS place"
        f" FROM (SELECT {', '.join(columns)} FROM {tables(wanted.source, resource=resource)} WHERE {where}) AS item"
        f" GROUP BY GROUPING SETS ({', '.join(sets)})) AS counted WHERE part < 0 OR place <= {SLICE_VALUES}"
    )
    return text, fields
