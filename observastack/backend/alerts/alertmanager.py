"""The copy of the silences that a real Alertmanager keeps, and what it still knows of the alerts.

The platform's table is the truth: a killed Alertmanager has forgotten the newest silences (it writes them down every 15
minutes and at an orderly end), so each round compares and posts what is missing. Its copies carry a mark in the comment
and no silence without that mark is ever touched. All of it is API v2.

An alert that ends while it is silenced, or while the Alertmanager is away, never reaches the webhook as resolved. So an
alert that the Alertmanager once listed, and has not listed for GONE_S, is over. What it never listed came another way and
is left alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from observastack import defects
from observastack.backend.database import Database

log = logging.getLogger("observastack.backend")

TIMEOUT_S = 5.0
GONE_S = 300
_MARK = re.compile(r" \[observastack:([a-z0-9-]+):([0-9a-f-]{36})\]$")
_WANTED = """
SELECT id::text, matchers::text, starts_at, ends_at, comment, created_by FROM silences
WHERE tenant_id = %s AND deleted_at IS NULL AND ends_at > now()"""
_SEEN = """
UPDATE alerts SET source_seen_at = now() WHERE tenant_id = %(tenant)s AND fingerprint = ANY(%(listed)s)
  AND status <> 'resolved'"""
_GONE = """
WITH gone AS (UPDATE alerts SET status = 'resolved', resolved_at = now(), ends_at = now(), updated_at = now()
       WHERE tenant_id = %(tenant)s AND status <> 'resolved' AND source_seen_at < now() - make_interval(secs => %(gone)s)
       RETURNING id),
     told AS (INSERT INTO alert_history(alert_id, action, note)
       SELECT id, 'resolved_by_source', 'the Alertmanager lists it no more' FROM gone)
INSERT INTO arrivals(signal, alert_id) SELECT 'alerts', id FROM gone"""


@dataclass(frozen=True)
class Wanted:
    """A silence as the Alertmanager shall have it. key: tenant and id."""

    key: tuple[str, str]
    matchers: frozenset[tuple[str, str, bool, bool]]
    starts_at: datetime
    ends_at: datetime
    comment: str
    created_by: str

    def is_copied_by(self, copy: Mapping[str, Any], now: datetime) -> bool:
        """The Alertmanager moves a start that has passed to the moment of the post, and keeps milliseconds."""
        second = timedelta(seconds=1)
        pending = self.starts_at > now
        return (
            _matchers(copy["matchers"]) == self.matchers
            and abs(_time(copy["endsAt"]) - self.ends_at) < second
            and (not pending or abs(_time(copy["startsAt"]) - self.starts_at) < second)
        )

    def body(self) -> dict[str, Any]:
        names = ("name", "value", "isRegex", "isEqual")
        return {
            "matchers": [dict(zip(names, matcher, strict=True)) for matcher in sorted(self.matchers)],
            "startsAt": self.starts_at.isoformat(),
            "endsAt": self.ends_at.isoformat(),
            "createdBy": self.created_by,
            "comment": f"{self.comment} [observastack:{self.key[0]}:{self.key[1]}]",
        }


class Alertmanager:
    """A duty of the clock. A server that does not answer is asked again at the next round."""

    def __init__(self, database: Database, url: str, gone_s: float = GONE_S) -> None:
        self._database, self._gone_s = database, gone_s
        self._client = httpx.AsyncClient(base_url=url.rstrip("/"), timeout=TIMEOUT_S, trust_env=False)
        self._silent = False
        self._refused: set[tuple[str, str]] = set()

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, tenants: dict[str, int]) -> None:
        try:
            await self._copy_silences(tenants)
            await self._end_forgotten(tenants)
            self._silent = False
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            if not self._silent:
                log.warning("alertmanager: %s", type(error).__name__)
            self._silent = True

    async def _copy_silences(self, tenants: dict[str, int]) -> None:
        wanted = {one.key: one for key, number in tenants.items() for one in await self._wanted(key, number)}
        now, kept = datetime.now(UTC), set[tuple[str, str]]()
        self._refused &= wanted.keys()
        copies = await self._get("/api/v2/silences")
        for copy in sorted(copies, key=lambda one: str(one["id"])):
            mark = _MARK.search(copy["comment"])
            if mark is None or copy["status"]["state"] == "expired":
                continue
            key = (mark[1], mark[2])
            if key in wanted and key not in kept and wanted[key].is_copied_by(copy, now):
                kept.add(key)
            else:
                await self._expect(self._client.delete(f"/api/v2/silence/{copy['id']}"))
        for key, one in wanted.items():
            if key not in kept:
                await self._post(one)

    async def _post(self, silence: Wanted) -> None:
        """One that this Alertmanager does not take (its RE2 is Go's) must not hold up the others, nor other tenants'."""
        answer = await self._client.post("/api/v2/silences", json=silence.body())
        if answer.status_code != 400:
            answer.raise_for_status()
        elif silence.key not in self._refused:
            self._refused.add(silence.key)
            log.warning("alertmanager: the silence %s of %s is refused", silence.key[1], silence.key[0])

    async def _wanted(self, key: str, number: int) -> list[Wanted]:
        async with self._database.tenant(number) as connection:
            rows = await (await connection.execute(_WANTED, (number,))).fetchall()
        own = frozenset() if defects.active("silence_without_tenant") else frozenset({("tenant", key, False, True)})
        return [
            Wanted((key, silence), own | _stored(matchers), starts_at, ends_at, comment, created_by)
            for silence, matchers, starts_at, ends_at, comment, created_by in rows
        ]

    async def _end_forgotten(self, tenants: dict[str, int]) -> None:
        """Not just after its start: Prometheus sends what fires once a minute."""
        started = _time((await self._get("/api/v2/status"))["uptime"])
        listed: dict[str, list[str]] = {}
        for alert in await self._get("/api/v2/alerts"):
            listed.setdefault(alert["labels"].get("tenant", ""), []).append(alert["fingerprint"])
        settled = datetime.now(UTC) - started > timedelta(seconds=self._gone_s)
        for key, number in tenants.items():
            async with self._database.acting(number) as connection:
                await connection.execute(_SEEN, {"tenant": number, "listed": listed.get(key, [])})
                if settled:
                    await connection.execute(_GONE, {"tenant": number, "gone": self._gone_s})

    async def _get(self, path: str) -> Any:
        return (await self._expect(self._client.get(path))).json()

    async def _expect(self, request: Any) -> httpx.Response:
        response: httpx.Response = await request
        return response.raise_for_status()


def _stored(matchers: str) -> frozenset[tuple[str, str, bool, bool]]:
    return frozenset((one["name"], one["value"], one["is_regex"], one["is_equal"]) for one in orjson.loads(matchers))


def _matchers(sent: list[dict[str, Any]]) -> frozenset[tuple[str, str, bool, bool]]:
    return frozenset((one["name"], one["value"], one["isRegex"], one.get("isEqual", True)) for one in sent)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
