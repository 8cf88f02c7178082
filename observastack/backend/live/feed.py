"""What has arrived at a tenant since a place, out of the announcements that every write leaves in its own transaction.

Ids and times are not in the order of commits, so neither can be a cursor. A transaction's number is: pg_snapshot_xmin is
the oldest one that is still open, and everything below it has ended for good. A reader that stops there and goes on from
there later misses nothing and repeats nothing. The price: one long write, anywhere in this PostgreSQL, holds back what
came after it until it ends (the gateway's own writes end after 30 s at the latest).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from observastack import defects
from observastack.backend.alerts import rows as alerts
from observastack.backend.database import Connection, Database
from observastack.backend.live.position import Place
from observastack.backend.live.wish import Kind
from observastack.backend.stores.embedded.rows import item, select

MAX_ANNOUNCEMENTS = 500
MAX_ITEMS = 2_000
"""Items that one look brings; of more only the newest, and how many were passed over is told."""
LAST = (1 << 63) - 1
_EDGE = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_SINCE = f"""
WITH edge AS ({_EDGE} AS xid)
SELECT e.xid, a.xid, a.seq, a.signal, a.first_ts, a.last_ts, a.first_id, a.last_id, a.items, a.alert_id
FROM edge e LEFT JOIN LATERAL (
  SELECT * FROM arrivals a WHERE {{tenant}} AND (a.xid, a.seq) >= (%(xid)s, %(seq)s) AND a.xid < e.xid
  ORDER BY a.xid, a.seq LIMIT %(limit)s) a ON true
ORDER BY a.xid, a.seq"""  # noqa: S608 - text of this module


@dataclass(slots=True)
class Event:
    """One item or alert. encoded: its JSON, made once for all who get it. pages: how far the stores of other servers
    were read with it; None for what comes from the platform's own database."""

    source: Kind
    place: Place
    document: dict[str, Any]
    pages: Mapping[str, tuple[int, int]] | None = None
    _encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = orjson.dumps(self.document)
        return self._encoded


@dataclass(frozen=True)
class Batch:
    """events in order of arrival; end: where to go on; complete: nothing more has arrived up to now. dropped: items
    passed over, by source."""

    events: Sequence[Event]
    end: Place
    complete: bool
    dropped: dict[str, int]


@dataclass(frozen=True)
class _Announced:
    xid: int
    seq: int
    signal: Kind
    first_ts: int
    last_ts: int
    first_id: int
    last_id: int
    items: int
    alert: UUID | None


class Feed:
    """Raises psycopg.Error, PoolTimeout or TimeoutError while PostgreSQL is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self, tenant: int) -> Place:
        """The place that everything so far lies before."""
        async with self._database.tenant(tenant) as connection:
            row: Any = await (await connection.execute(_EDGE)).fetchone()
        return Place(int(row[0]), 0, 0)

    async def since(self, tenant: int, place: Place, kinds: Collection[Kind], *, pass_over: bool = True) -> Batch:
        """The next events of these kinds. pass_over: False for a caller that takes everything, at its own pace."""
        leak = defects.active("stream_leak")
        async with self._database.listing(tenant, unrestricted=leak) as connection:
            edge, announced = await _announced(connection, tenant, place)
            complete = len(announced) < MAX_ANNOUNCEMENTS
            dropped: dict[str, int] = {}
            wanted = [one for one in announced if one.signal in kinds]
            if pass_over:
                wanted, dropped = _newest(wanted, MAX_ITEMS)
            elif len(taken := _oldest(wanted, MAX_ITEMS)) < len(wanted):
                wanted, complete = taken, False
                announced = announced[: announced.index(taken[-1]) + 1]
            events: list[Event] = []
            for one in wanted:
                events += await _events(connection, tenant, one, place)
        end = Place(edge, 0, 0) if complete else Place(announced[-1].xid, announced[-1].seq, LAST)
        return Batch(events, max(end, place), complete, dropped)


async def _announced(connection: Connection, tenant: int, place: Place) -> tuple[int, list[_Announced]]:
    own = "true" if defects.active("stream_leak") else "a.tenant_id = %(tenant)s"
    parameters = {"tenant": tenant, "xid": place.xid, "seq": place.seq, "limit": MAX_ANNOUNCEMENTS}
    found = await (await connection.execute(_SINCE.format(tenant=own).encode(), parameters)).fetchall()
    return int(found[0][0]), [_Announced(*row[1:]) for row in found if row[1] is not None]


def _newest(announced: list[_Announced], most: int) -> tuple[list[_Announced], dict[str, int]]:
    """The last `most` items and every alert; and how many items of which source are not among them."""
    taken, dropped, left = list[_Announced](), dict[str, int](), most
    for one in reversed(announced):
        if one.signal == "alerts":
            taken.append(one)
            continue
        if (over := max(one.items - left, 0)) > 0:
            dropped[one.signal] = dropped.get(one.signal, 0) + over
        if left > 0:
            taken.append(replace(one, first_id=max(one.first_id, one.last_id - left + 1)))
        left = max(left - one.items, 0)
    return taken[::-1], dropped


def _oldest(announced: list[_Announced], most: int) -> list[_Announced]:
    """As many from the first on as hold `most` items, but one at least."""
    total = 0
    for number, one in enumerate(announced):
        total += one.items
        if total > most and number:
            return announced[:number]
    return announced


async def _events(connection: Connection, tenant: int, one: _Announced, place: Place) -> list[Event]:
    """What was announced and lies beyond the place, in order of the ids."""
    if one.signal == "alerts":
        at = Place(one.xid, one.seq, LAST)
        if at <= place or one.alert is None or defects.active("stream_alerts_lost"):
            return []
        found = await alerts.without_history(connection, tenant, one.alert)
        return [] if found is None else [Event("alerts", at, found)]
    same = (one.xid, one.seq) == (place.xid, place.seq) and not defects.active("stream_resume_repeats")
    if same and place.id == LAST:
        return []
    beyond = place.id if same else -1
    where = "s.ts BETWEEN %(first)s AND %(last)s AND s.id BETWEEN %(low)s AND %(high)s"
    if not defects.active("stream_leak"):
        where = f"s.tenant_id = %(tenant)s AND {where}"
    parameters = {
        "tenant": tenant, "first": one.first_ts, "last": one.last_ts,
        "low": max(one.first_id, beyond + 1), "high": one.last_id,
    }  # fmt: skip
    cursor = await connection.execute(select(one.signal, where, descending=False).encode(), parameters)
    rows = sorted(await cursor.fetchall(), key=lambda row: row[1])
    return [Event(one.signal, Place(one.xid, one.seq, row[1]), item(one.signal, row)) for row in rows]
