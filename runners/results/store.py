"""The results store: events in, in one transaction with the offset that says how far they go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, update

from runners.events import Event
from runners.lib.files import read_json
from runners.results import chunks, database
from runners.results.campaigns import CampaignReducer
from runners.results.database import DatabaseBusy, DatabaseDamaged, DatabaseGone, TwoIngesters
from runners.results.mapping import Reducer
from runners.results.models import (
    Artifact,
    Chunk,
    Execution,
    Fault,
    Finding,
    Ledger,
    Metric,
    Offset,
    Result,
    Series,
)
from runners.results.rows import document
from runners.results.writer import write

__all__ = ["Batch", "DatabaseBusy", "DatabaseDamaged", "DatabaseGone", "Store", "TwoIngesters", "open_store"]


@dataclass(frozen=True)
class Batch:
    """Events of one file, from byte offset_before up to offset_after.

    parent: the campaign's run, None for the campaign itself. folder: of the run. state: what the ingester itself wants
    back from `Store.progress`.
    """

    run: str
    parent: str | None
    folder: Path
    events: list[Event]
    offset_before: int
    offset_after: int
    state: dict[str, Any] = field(default_factory=dict)


class Store:
    """One open results database. Not for several threads at once."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine, self.url = engine, url
        self._reducers: dict[str, tuple[int, Reducer]] = {}

    def apply(self, batches: Sequence[Batch]) -> None:
        """Ingest; all batches or none. At most one batch a run.

        Raises TwoIngesters when a stored offset is not the batch's `offset_before`, DatabaseBusy when the database
        cannot be written now: apply the same batches again later.
        """
        done: dict[str, tuple[int, Reducer]] = {}
        try:
            with database.translated(self.url), self.write() as connection:
                # The order of locks is the same for everybody: no deadlock between two campaigns.
                for batch in sorted(batches, key=lambda item: (item.parent is not None, item.run)):
                    done[batch.run] = (batch.offset_after, self._apply(connection, batch))
        except BaseException:
            for batch in batches:  # the reducers have seen events that are not stored
                self._reducers.pop(batch.run, None)
            raise
        self._reducers |= done

    def _apply(self, connection: Connection, batch: Batch) -> Reducer:
        known = self._reducers.get(batch.run)
        if known is not None and known[0] == batch.offset_before:
            reducer = known[1]
        else:
            reducer = self._reducer(connection, batch)
        rows = reducer.reduce(batch.events)
        self._move(connection, batch, reducer)
        write(connection, rows)
        reducer.changed = False
        return reducer

    def _move(self, connection: Connection, batch: Batch, reducer: Reducer) -> None:
        """Advance the offset if it is where this ingester left it."""
        values: dict[str, Any] = {"position": batch.offset_after, "state": batch.state}
        if reducer.changed:
            values["reducer"] = json.loads(document(reducer.dump()))
        mine = (Offset.execution_id == batch.run) & (Offset.position == batch.offset_before)
        if connection.execute(update(Offset).where(mine).values(**values)).rowcount == 1:
            return
        stored = connection.scalar(select(Offset.position).where(Offset.execution_id == batch.run))
        if stored is not None or batch.offset_before != 0:
            raise TwoIngesters(
                f"events of run {batch.run} are ingested up to byte {stored or 0}, not {batch.offset_before}",
                remedy="let one coordinator ingest a run; 'testbed results reindex' mends the rows",
            )
        values.setdefault("reducer", json.loads(document(reducer.dump())))
        connection.execute(Offset.__table__.insert().values(execution_id=batch.run, **values))  # type: ignore[attr-defined]

    def _reducer(self, connection: Connection, batch: Batch) -> Reducer:
        """From what is stored, or fresh."""
        if batch.parent is None:
            reducer: Reducer = CampaignReducer(batch.run)
        else:
            spec = read_json(batch.folder / "spec.json")
            suite = spec.get("suite") if isinstance(spec, dict) else None
            reducer = Reducer(batch.run, batch.parent, suite if isinstance(suite, str) else "")
        saved = connection.execute(select(Offset.reducer).where(Offset.execution_id == batch.run)).first()
        if saved is not None:
            reducer.load(saved[0])
            reducer.suite = saved[0]["suite"]
            self._restore_tracks(connection, reducer)
        return reducer

    def _restore_tracks(self, connection: Connection, reducer: Reducer) -> None:
        metrics = connection.execute(
            select(Metric.series_id, Metric.n, Metric.histogram).where(Metric.execution_id == reducer.run)
        )
        summaries = {row.series_id: row.histogram for row in metrics}
        for track in reducer.tracks.values():
            if (packed := summaries.get(track.id)) is None:
                continue
            last = connection.execute(
                select(Chunk.number, Chunk.n, Chunk.data)
                .where(Chunk.execution_id == reducer.run, Chunk.series_id == track.id)
                .order_by(Chunk.number.desc())
                .limit(1)
            ).one()
            whole = last.n == chunks.POINTS
            track.restore(packed, last.number + whole, None if whole else last.data)

    def progress(self, run: str) -> tuple[int, dict[str, Any]] | None:
        """(offset, the ingester's state) of a run, or None when nothing of it is ingested."""
        with self.read() as connection:
            row = connection.execute(select(Offset.position, Offset.state).where(Offset.execution_id == run)).first()
        return None if row is None else (int(row[0]), dict(row[1]))

    def forget(self, runs: Sequence[str]) -> None:
        """Remove all rows of these runs (a campaign's with its stages); tests and series by name stay."""
        with database.translated(self.url), self.write() as connection:
            for run in runs:
                self._reducers.pop(run, None)
                for table in (Result, Metric, Chunk, Finding, Artifact, Ledger, Offset):
                    connection.execute(delete(table).where(table.execution_id == run))
                connection.execute(delete(Fault).where(Fault.campaign_id == run))
                connection.execute(delete(Execution).where((Execution.id == run) | (Execution.parent_id == run)))

    def read(self) -> AbstractContextManager[Connection]:
        """A connection in a read transaction; errors of the driver become those of `database`."""
        return _Transaction(self, write=False)

    def write(self) -> AbstractContextManager[Connection]:
        """A connection in a write transaction, committed at the end of the block."""
        return _Transaction(self, write=True)

    def points(self, run: str, series: int) -> tuple[list[float], list[Any]]:
        """All points of a series in a run, in order of arrival."""
        with self.read() as connection:
            rows = connection.execute(
                select(Chunk.data).where(Chunk.execution_id == run, Chunk.series_id == series).order_by(Chunk.number)
            )
            t, v = [], []
            for row in rows:
                some_t, some_v = chunks.decode(row[0])
                t += some_t
                v += some_v
        return t, v

    def series(self, run: str) -> dict[int, tuple[str, dict[str, str], str, str]]:
        """Series that have points in a run: id to (name, labels, unit, kind)."""
        with self.read() as connection:
            rows = connection.execute(
                select(Series.id, Series.name, Series.labels, Series.unit, Series.kind)
                .join(Metric, Metric.series_id == Series.id)
                .where(Metric.execution_id == run)
                .order_by(Series.name, Series.id)
            )
            return {row.id: (row.name, dict(row.labels), row.unit, row.kind) for row in rows}

    def close(self) -> None:
        self.engine.dispose()


class _Transaction(AbstractContextManager[Connection]):
    """BEGIN (IMMEDIATE for writes) … COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, store: Store, *, write: bool) -> None:
        self._store, self._write = store, write

    def __enter__(self) -> Connection:
        with database.translated(self._store.url):
            self._connection = self._store.engine.connect().execution_options(write=self._write)
            try:
                self._transaction = self._connection.begin()
            except BaseException:
                self._connection.close()
                raise
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with database.translated(self._store.url):
            try:
                if kind is None:
                    self._transaction.commit()
                else:
                    self._transaction.rollback()
            finally:
                self._connection.close()
        if error is not None:
            with database.translated(self._store.url):
                raise error


def open_store(url: str, *, busy_timeout_s: float = 30.0, create: bool = True) -> Store:
    """Open, create or migrate the database of this URL; errors as of `database.open_engine`.

    busy_timeout_s: how long a write waits for another writer; a coordinator takes 0.25 s and tries again by tick.
    """
    return Store(database.open_engine(url, busy_timeout_s=busy_timeout_s, create=create), url)
