"""The tables. Times are Unix seconds; ids of runs are UUIDv7 text, so their order is the order of starting.

Ids of tests and series are hashes of their keys (63 bits): the same on every database and in every order of ingest,
so a rebuilt database equals the one that grew. Sources of the layout: docs/adr on results, notes in `chunks`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import BYTEA, DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HEAD = "0001"
"""The migration that these models describe."""

Document = JSON().with_variant(JSONB(), "postgresql")
Real = Float().with_variant(DOUBLE_PRECISION(), "postgresql")
Blob = LargeBinary().with_variant(BYTEA(), "postgresql")
RunId = String(36)


class Base(DeclarativeBase):
    """All tables of the results database."""


class Execution(Base):
    """A campaign run (parent_id null) or a stage of one. Counters are stored, never counted.

    A stage's row has two writers: the campaign's events give its place and state, its own events the counters.
    """

    __tablename__ = "test_executions"

    id: Mapped[str] = mapped_column(RunId, primary_key=True)
    parent_id: Mapped[str | None] = mapped_column(RunId)
    campaign: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    suite: Mapped[str | None] = mapped_column(Text)
    environment: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), server_default=text("'queued'"))
    verdict: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str | None] = mapped_column(Text)
    seed: Mapped[int | None] = mapped_column(BigInteger)
    commit: Mapped[str | None] = mapped_column("commit_id", Text)
    started_at: Mapped[float | None] = mapped_column(Real)
    finished_at: Mapped[float | None] = mapped_column(Real)
    duration_s: Mapped[float] = mapped_column(Real, server_default=text("0"))
    planned: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    passed: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failed: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    skipped: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    invalid: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    not_run: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    malformed: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Events whose fields were not as the protocol says; they are in the file but not in the tables."""
    gates: Mapped[Any] = mapped_column(Document, nullable=True)
    config: Mapped[Any] = mapped_column(Document, nullable=True)

    __table_args__ = (
        # Partial, so that no planner takes it for "parent_id IS NULL" and then sorts all runs.
        Index(
            "ix_executions_parent", "parent_id", "position",
            sqlite_where=text("parent_id IS NOT NULL"), postgresql_where=text("parent_id IS NOT NULL"),
        ),
        Index(
            "ix_executions_top", "id",
            sqlite_where=text("parent_id IS NULL"), postgresql_where=text("parent_id IS NULL"),
        ),
        Index(
            "ix_executions_duration", "duration_s", "id",
            sqlite_where=text("parent_id IS NULL"), postgresql_where=text("parent_id IS NULL"),
        ),
        Index(
            "ix_executions_failed", "failed", "id",
            sqlite_where=text("parent_id IS NULL"), postgresql_where=text("parent_id IS NULL"),
        ),
        Index(
            "ix_executions_campaign", "campaign", "id",
            sqlite_where=text("parent_id IS NULL"), postgresql_where=text("parent_id IS NULL"),
        ),
        Index(
            "ix_executions_verdict", "verdict", "id",
            sqlite_where=text("parent_id IS NULL"), postgresql_where=text("parent_id IS NULL"),
        ),
    )  # fmt: skip


class Test(Base):
    """A test by name, whatever run it occurs in."""

    __tablename__ = "tests"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    suite: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ux_tests_suite_name", "suite", "name", unique=True),)


class Result(Base):
    """One attempt of one test. outcome: passed, failed, skipped, invalid."""

    __tablename__ = "test_results"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    test_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tests.id"), primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(String(8))
    finished_at: Mapped[float] = mapped_column(Real)
    duration_ms: Mapped[float | None] = mapped_column(Real)
    message: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_results_test", "test_id", "execution_id"),)


class Series(Base):
    """A metric with its labels. kind: gauge, counter, histogram."""

    __tablename__ = "metric_series"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    labels: Mapped[Any] = mapped_column(Document)
    unit: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(10))

    __table_args__ = (Index("ix_series_name", "name"),)


class Metric(Base):
    """What one series did in one run. `histogram` merges with those of other runs (`runners.lib.histogram`)."""

    __tablename__ = "test_metrics"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    series_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("metric_series.id"), primary_key=True, autoincrement=False
    )
    n: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[float] = mapped_column(Real)
    min: Mapped[float | None] = mapped_column(Real)
    mean: Mapped[float | None] = mapped_column(Real)
    p50: Mapped[float | None] = mapped_column(Real)
    p95: Mapped[float | None] = mapped_column(Real)
    p99: Mapped[float | None] = mapped_column(Real)
    max: Mapped[float | None] = mapped_column(Real)
    histogram: Mapped[bytes] = mapped_column(Blob)

    __table_args__ = (Index("ix_metrics_series", "series_id", "execution_id"),)


class Chunk(Base):
    """Up to 100 points of one series in one run; encoding: `runners.results.chunks`. t0, t1: first and last time."""

    __tablename__ = "metric_chunks"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    series_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("metric_series.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    t0: Mapped[float] = mapped_column(Real)
    t1: Mapped[float] = mapped_column(Real)
    n: Mapped[int] = mapped_column(Integer)
    data: Mapped[bytes] = mapped_column(Blob)


class Finding(Base):
    """Something a suite found, with its rule; `number` is the event's seq."""

    __tablename__ = "findings"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    found_at: Mapped[float] = mapped_column(Real)
    rule: Mapped[str | None] = mapped_column(Text)
    severity: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    document: Mapped[Any] = mapped_column(Document)


class Artifact(Base):
    """A file of a run; path is relative to the run's folder."""

    __tablename__ = "artifacts"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str | None] = mapped_column(Text)


class Fault(Base):
    """A fault from injection to recovery. reverted_at of kill, crash, restart: the service was proved running again."""

    __tablename__ = "faults"

    campaign_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    execution_id: Mapped[str | None] = mapped_column(RunId)
    fault: Mapped[str | None] = mapped_column(Text)
    target: Mapped[str | None] = mapped_column(Text)
    effect: Mapped[Any] = mapped_column(Document, nullable=True)
    ttl_s: Mapped[float | None] = mapped_column(Real)
    injected_at: Mapped[float | None] = mapped_column(Real)
    reverted_at: Mapped[float | None] = mapped_column(Real)
    reverted_by: Mapped[str | None] = mapped_column(Text)
    failed_reason: Mapped[str | None] = mapped_column(Text)
    detected_at: Mapped[float | None] = mapped_column(Real)
    recovered_at: Mapped[float | None] = mapped_column(Real)
    time_to_detect_s: Mapped[float | None] = mapped_column(Real)
    time_to_recover_s: Mapped[float | None] = mapped_column(Real)


class Ledger(Base):
    """What was sent (kind `sent`), or what an audit made of it (kind `audit`: the audit document)."""

    __tablename__ = "ledgers"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(RunId)
    document: Mapped[Any] = mapped_column(Document)

    __table_args__ = (Index("ix_ledgers_campaign", "campaign_id"),)


class EnvironmentUse(Base):
    """Environments that runs used, and when first and last."""

    __tablename__ = "environments"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    first_used_at: Mapped[float] = mapped_column(Real)
    last_used_at: Mapped[float] = mapped_column(Real)


class Offset(Base):
    """How far the event file of a run is ingested (bytes), with what must be remembered to go on from there.

    state belongs to the ingester (the coordinator); reducer to `mapping`.
    """

    __tablename__ = "ingest_offsets"

    execution_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[Any] = mapped_column(Document)
    reducer: Mapped[Any] = mapped_column(Document)
