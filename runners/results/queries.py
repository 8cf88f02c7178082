"""What is asked of the results: lists by keyset, one run in full, ids from what people type. Times are Unix seconds.

No query uses OFFSET; none but `show_run` reads more than a page, and that one run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from runners.lib.errors import NotReady, UsageError
from runners.lib.files import read_json
from runners.lib.histogram import Histogram
from runners.lib.home import Home
from runners.lib.text import did_you_mean
from runners.results.filters import Filter
from runners.results.models import Artifact, Execution, Fault, Finding, Ledger, Metric, Series
from runners.results.store import Store, open_store

SORTS = {"started": Execution.id, "duration": Execution.duration_s, "failed": Execution.failed}
"""Run ids are UUIDv7, so their order is that of starting."""
ITEM: tuple[Any, ...] = (
    Execution.id, Execution.campaign, Execution.environment, Execution.state, Execution.verdict, Execution.reason,
    Execution.started_at, Execution.finished_at, Execution.duration_s, Execution.planned, Execution.passed,
    Execution.failed, Execution.skipped, Execution.invalid, Execution.not_run, Execution.commit, Execution.seed,
)  # fmt: skip
_SCAN = 500  # rows fetched at once when a filter is decided outside the database
_SCANS = 40
MIN_PREFIX = 6


# ------------------------------------------------------------------ lists


def list_runs(
    store: Store, *, filter: str = "", limit: int = 50, after: str | None = None, sort: str = "-started"
) -> dict[str, Any]:
    """`{items, next}`: top-level runs. after: the `next` of the page before. sort: started, duration, failed; - = down.

    A filter that the database cannot decide looks at no more than 20,000 rows a page; `next` then goes on from there,
    also when fewer items than `limit` were found. Raises UsageError.
    """
    if limit < 1:
        raise UsageError("--limit must be 1 or more")
    wanted, order = Filter(filter), _Order(sort)
    position = order.decode(after, wanted.text) if after else None
    items: list[dict[str, Any]] = []
    with store.read() as connection:
        for _ in range(_SCANS):
            size = _SCAN if wanted.text else limit + 1
            rows = _page(connection, order, wanted.condition(), position, size)
            for row in rows:
                if len(items) == limit:
                    return {"items": items, "next": order.encode(position, wanted.text)}
                position = order.key(row)
                if wanted.matches(found := item(row)):
                    items.append(found)
            if len(rows) < size:
                return {"items": items, "next": None}
    return {"items": items, "next": order.encode(position, wanted.text)}


def item(row: Any) -> dict[str, Any]:
    """A run as lists show it."""
    return {
        "run": row.id,
        "campaign": row.campaign,
        "environment": row.environment,
        "state": row.state,
        "verdict": row.verdict,
        "reason": row.reason,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "duration_s": round(row.duration_s, 3),
        "tests": {
            "planned": row.planned, "passed": row.passed, "failed": row.failed, "skipped": row.skipped,
            "invalid": row.invalid, "not_run": row.not_run,
        },
        "commit": row.commit_id,
        "seed": row.seed,
    }  # fmt: skip


def _page(
    connection: Connection, order: _Order, condition: ColumnElement[bool], position: list[Any] | None, size: int
) -> list[Row[Any]]:
    query = select(*ITEM).where(Execution.parent_id.is_(None), condition)
    if position is not None:
        query = query.where(order.beyond(position))
    return list(connection.execute(query.order_by(*order.columns).limit(size)))


class _Order:
    """A total order: the sort column, then the id."""

    def __init__(self, sort: str) -> None:
        self.name, self.descending = sort.removeprefix("-"), sort.startswith("-")
        if self.name not in SORTS:
            raise UsageError(f"--sort {sort}: unknown", remedy=did_you_mean(self.name, SORTS))
        self._keys: list[Any] = [Execution.id] if self.name == "started" else [SORTS[self.name], Execution.id]

    @property
    def columns(self) -> list[Any]:
        return [key.desc() if self.descending else key.asc() for key in self._keys]

    def key(self, row: Row[Any]) -> list[Any]:
        return [row.id] if self.name == "started" else [getattr(row, SORTS[self.name].name), row.id]

    def beyond(self, position: list[Any]) -> ColumnElement[bool]:
        """Rows after this one. The first term alone bounds the index scan."""
        far: list[ColumnElement[bool]] = [
            (key < value if self.descending else key > value) for key, value in zip(self._keys, position, strict=True)
        ]
        if len(far) == 1:
            return far[0]
        first, value = self._keys[0], position[0]
        near = and_(first <= value if self.descending else first >= value)
        return and_(near, or_(far[0], far[1]))

    def encode(self, position: list[Any] | None, filter: str) -> str | None:
        if position is None:
            return None
        name = ("-" if self.descending else "") + self.name
        return base64.urlsafe_b64encode(json.dumps([name, filter, position]).encode()).decode().rstrip("=")

    def decode(self, cursor: str, filter: str) -> list[Any]:
        try:
            name, told, position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            sound = len(position) == len(self._keys) and isinstance(position[-1], str)
            sound = sound and (len(position) == 1 or isinstance(position[0], int | float))
        except (ValueError, TypeError):
            sound = False
        if (
            not sound
            or name.removeprefix("-") != self.name
            or name.startswith("-") != self.descending
            or told != filter
        ):
            raise UsageError(
                "--after: this cursor does not belong to this list",
                remedy="take `next` of the page before, with the same --filter and --sort",
            )
        return list(position)


# ------------------------------------------------------------------ one run


def show_run(store: Store, run: str, home: Home | None = None) -> dict[str, Any]:
    """Everything about one run: the document of `results show`. A run that is not ingested yet is read from its files.

    Raises NotReady when there is neither.
    """
    with store.read() as connection:
        found = _show(connection, run)
    if found is None and home is not None and (home.run(run) / "events.jsonl").exists():
        return _from_files(home, run)
    if found is None:
        raise NotReady(f"run {run} is not in the results", remedy="testbed results reindex reads it from its files")
    return found


def _from_files(home: Home, run: str) -> dict[str, Any]:
    """The same document by way of a database in memory."""
    from runners.results.reindex import Tree, ingest, stages_of

    store = open_store("sqlite://")
    try:
        ingest(home, store, Tree(run, stages_of(home, run)))
        with store.read() as connection:
            found = _show(connection, run)
    finally:
        store.close()
    if found is None:
        raise NotReady(f"run {run} has said nothing yet", remedy="look again in a moment")
    return found


def _show(connection: Connection, run: str) -> dict[str, Any] | None:
    row = connection.execute(
        select(*ITEM, Execution.config, Execution.gates, Execution.malformed, Execution.parent_id, Execution.stage)
        .where(Execution.id == run)
    ).first()  # fmt: skip
    if row is None:
        return None
    stages = connection.execute(
        select(
            Execution.id, Execution.stage, Execution.suite, Execution.state, Execution.verdict, Execution.reason,
            Execution.started_at, Execution.duration_s,
        ).where(Execution.parent_id == run).order_by(Execution.position, Execution.id)
    ).all()  # fmt: skip
    names = {stage.id: str(stage.stage) for stage in stages}
    runs = [run, *names]
    return item(row) | {
        "stage": row.stage,
        "parent": row.parent_id,
        "stages": [
            {
                "name": stage.stage, "suite": stage.suite, "run": stage.id, "state": stage.state,
                "verdict": stage.verdict, "reason": stage.reason, "started_at": stage.started_at,
                "duration_s": round(stage.duration_s, 3),
            }
            for stage in stages
        ],
        "ledger": _ledger(connection, runs, "audit"),
        "sent": _ledger(connection, runs, "sent"),
        "faults": _faults(connection, row.parent_id or run, None if row.parent_id is None else run),
        "gates": row.gates or [],
        "metrics": _metrics(connection, runs, names),
        "findings": [
            dict(found.document) | {"stage": names.get(found.execution_id)}
            for found in connection.execute(
                select(Finding.execution_id, Finding.document)
                .where(Finding.execution_id.in_(runs)).order_by(Finding.execution_id, Finding.number)
            )
        ],
        "artifacts": [
            {"path": found.path, "sha256": found.sha256, "kind": found.kind, "run": found.execution_id}
            for found in connection.execute(
                select(Artifact.execution_id, Artifact.path, Artifact.sha256, Artifact.kind)
                .where(Artifact.execution_id.in_(runs)).order_by(Artifact.execution_id, Artifact.path)
            )
        ],
        "config": redacted(row.config or {}),
        "malformed_events": row.malformed,
    }  # fmt: skip


def _ledger(connection: Connection, runs: list[str], kind: str) -> dict[str, Any] | None:
    """The newest document of that kind."""
    found = connection.execute(
        select(Ledger.document).where(Ledger.execution_id.in_(runs), Ledger.kind == kind)
        .order_by(Ledger.execution_id.desc()).limit(1)
    ).first()  # fmt: skip
    return None if found is None else dict(found[0])


def _faults(connection: Connection, campaign: str, stage: str | None) -> list[dict[str, Any]]:
    query = select(Fault).where(Fault.campaign_id == campaign)
    if stage is not None:
        query = query.where(Fault.execution_id == stage)
    names = (
        "id", "fault", "target", "effect", "injected_at", "reverted_at", "reverted_by", "failed_reason", "ttl_s",
        "detected_at", "recovered_at", "time_to_detect_s", "time_to_recover_s",
    )  # fmt: skip
    rows = connection.execute(query.order_by(Fault.injected_at, Fault.id))
    return [{name: row._mapping[name] for name in names} for row in rows]


def _metrics(connection: Connection, runs: list[str], stages: Mapping[str, str]) -> dict[str, Any]:
    """Per metric name (with the stage in front for a campaign), its labels merged."""
    rows = connection.execute(
        select(Metric.execution_id, Metric.histogram, Series.name, Series.unit)
        .join(Series, Series.id == Metric.series_id)
        .where(Metric.execution_id.in_(runs))
        .order_by(Series.name, Metric.series_id)
    )
    merged: dict[str, tuple[str, Histogram]] = {}
    for row in rows:
        name = f"{stages[row.execution_id]}.{row.name}" if row.execution_id in stages else row.name
        merged.setdefault(name, (row.unit, Histogram()))[1].merge(Histogram.from_json(json.loads(bytes(row.histogram))))
    return {name: _summary(unit, found) for name, (unit, found) in sorted(merged.items())}


def _summary(unit: str, found: Histogram) -> dict[str, Any]:
    def short(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.6g}")

    return {
        "unit": unit, "n": found.count, "errors": found.errors,
        "min": short(found.minimum) if found.count else None, "mean": short(found.mean),
        "p50": short(found.quantile(0.5)), "p95": short(found.quantile(0.95)), "p99": short(found.quantile(0.99)),
        "max": short(found.maximum) if found.count else None,
    }  # fmt: skip


_SECRET = ("password", "secret", "token", "private_key", "credential", "api_key", "apikey", "authorization")


def redacted(config: Any) -> Any:
    """Values of keys that name a secret are replaced; the structure stays."""
    if isinstance(config, Mapping):
        return {
            key: "***" if any(word in str(key).lower() for word in _SECRET) and value else redacted(value)
            for key, value in config.items()
        }
    return [redacted(value) for value in config] if isinstance(config, list) else config


# ------------------------------------------------------------------ what people type


def resolve(store: Store | None, home: Home, ref: str) -> str:
    """The run id that is meant by an id, a unique prefix of six or more characters, `last` or `last~N`.

    Runs are known by the database or by their folder in this home; `last` counts top-level runs only. A prefix may
    also name a stage's run, but a campaign and its stages begin alike (their ids are of one moment): the only top-level
    run with this prefix is the one that is meant. Raises UsageError (ambiguous, malformed) and NotReady (no such run).
    """
    if ref == "last" or ref.startswith("last~"):
        return _last(store, home, ref)
    if len(ref) < MIN_PREFIX or not all(letter in "0123456789abcdef-" for letter in ref.lower()):
        raise UsageError(
            f"'{ref}' is no run", remedy=f"give an id, at least {MIN_PREFIX} characters of one, last, or last~2"
        )
    found = _with_prefix(store, home, ref.lower())
    if ref.lower() in found:
        return ref.lower()
    candidates = sorted(run for run, top in found.items() if top) or sorted(found)
    if not candidates:
        raise NotReady(f"there is no run {ref}", remedy="testbed results list shows them")
    if len(candidates) > 1:
        shown = ", ".join(candidates[:4])
        raise UsageError(
            f"'{ref}' means several runs: {shown}{' …' if len(candidates) > 4 else ''}", remedy="give more of it"
        )
    return candidates[0]


def _with_prefix(store: Store | None, home: Home, prefix: str) -> dict[str, bool]:
    """Run ids with this prefix: is it a top-level run? Of each kind as many as make it ambiguous, and some to show."""
    found = {path.name: _top_level(path) for path in home.runs.glob(prefix + "*")} if home.runs.is_dir() else {}
    if store is not None:
        begins = (Execution.id >= prefix, Execution.id < prefix + "g")  # "g" follows every hexadecimal digit
        with store.read() as connection:
            for top, kind in ((True, Execution.parent_id.is_(None)), (False, Execution.parent_id.is_not(None))):
                for (run,) in connection.execute(select(Execution.id).where(*begins, kind).limit(10)):
                    found[run] = top
    return found


def _top_level(folder: Path) -> bool:
    """A stage's spec names its campaign."""
    spec = read_json(folder / "spec.json")
    return isinstance(spec, dict) and spec.get("campaign_run") in (None, folder.name)


def _last(store: Store | None, home: Home, ref: str) -> str:
    number = ref.removeprefix("last").removeprefix("~") or "0"
    if not number.isdigit():
        raise UsageError(f"'{ref}' is no run", remedy="write last, or last~1 for the one before")
    want = int(number) + 1
    found = set(_newest_folders(home, want))
    if store is not None:
        with store.read() as connection:
            rows = connection.execute(
                select(Execution.id).where(Execution.parent_id.is_(None)).order_by(Execution.id.desc()).limit(want)
            )
            found |= {row[0] for row in rows}
    newest = sorted(found, reverse=True)
    if len(newest) < want:
        known = f"there are {len(newest)} runs" if newest else "there are no runs yet"
        raise NotReady(f"{ref}: {known}", remedy="testbed results list shows them")
    return newest[want - 1]


def _newest_folders(home: Home, want: int) -> Iterable[str]:
    """The newest top-level runs that have a folder."""
    if not home.runs.is_dir():
        return
    for path in sorted(home.runs.iterdir(), reverse=True):
        if _top_level(path):
            yield path.name
            want -= 1
            if not want:
                return
