"""Initial tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
REAL = sa.Float().with_variant(sa.DOUBLE_PRECISION(), "postgresql")
BLOB = sa.LargeBinary().with_variant(postgresql.BYTEA(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "path"),
    )
    op.create_table(
        "environments",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_used_at", REAL, nullable=False),
        sa.Column("last_used_at", REAL, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "faults",
        sa.Column("campaign_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.String(length=36), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("effect", DOCUMENT, nullable=True),
        sa.Column("ttl_s", REAL, nullable=True),
        sa.Column("injected_at", REAL, nullable=True),
        sa.Column("reverted_at", REAL, nullable=True),
        sa.Column("reverted_by", sa.Text(), nullable=True),
        sa.Column("failed_reason", sa.Text(), nullable=True),
        sa.Column("detected_at", REAL, nullable=True),
        sa.Column("recovered_at", REAL, nullable=True),
        sa.Column("time_to_detect_s", REAL, nullable=True),
        sa.Column("time_to_recover_s", REAL, nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "id"),
    )
    op.create_table(
        "findings",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("found_at", REAL, nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "number"),
    )
    op.create_table(
        "ingest_offsets",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", DOCUMENT, nullable=False),
        sa.Column("reducer", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("execution_id"),
    )
    op.create_table(
        "ledgers",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("campaign_id", sa.String(length=36), nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "kind"),
    )
    op.create_index("ix_ledgers_campaign", "ledgers", ["campaign_id"], unique=False)
    op.create_table(
        "metric_series",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", DOCUMENT, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_series_name", "metric_series", ["name"], unique=False)
    op.create_table(
        "test_executions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("suite", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("commit_id", sa.Text(), nullable=True),
        sa.Column("started_at", REAL, nullable=True),
        sa.Column("finished_at", REAL, nullable=True),
        sa.Column("duration_s", REAL, server_default=sa.text("0"), nullable=False),
        sa.Column("planned", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("passed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("invalid", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_run", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("malformed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("gates", DOCUMENT, nullable=True),
        sa.Column("config", DOCUMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_executions_campaign",
        "test_executions",
        ["campaign", "id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_index(
        "ix_executions_duration",
        "test_executions",
        ["duration_s", "id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_index(
        "ix_executions_failed",
        "test_executions",
        ["failed", "id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_index(
        "ix_executions_parent",
        "test_executions",
        ["parent_id", "position"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_executions_top",
        "test_executions",
        ["id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_index(
        "ix_executions_verdict",
        "test_executions",
        ["verdict", "id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_table(
        "tests",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ux_tests_suite_name", "tests", ["suite", "name"], unique=True)
    op.create_table(
        "metric_chunks",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("series_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("t0", REAL, nullable=False),
        sa.Column("t1", REAL, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", BLOB, nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["metric_series.id"],
        ),
        sa.PrimaryKeyConstraint("execution_id", "series_id", "number"),
    )
    op.create_table(
        "test_metrics",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("series_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("total", REAL, nullable=False),
        sa.Column("min", REAL, nullable=True),
        sa.Column("mean", REAL, nullable=True),
        sa.Column("p50", REAL, nullable=True),
        sa.Column("p95", REAL, nullable=True),
        sa.Column("p99", REAL, nullable=True),
        sa.Column("max", REAL, nullable=True),
        sa.Column("histogram", BLOB, nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["metric_series.id"],
        ),
        sa.PrimaryKeyConstraint("execution_id", "series_id"),
    )
    op.create_index("ix_metrics_series", "test_metrics", ["series_id", "execution_id"], unique=False)
    op.create_table(
        "test_results",
        sa.Column("execution_id", sa.String(length=36), nullable=False),
        sa.Column("test_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("finished_at", REAL, nullable=False),
        sa.Column("duration_ms", REAL, nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["test_id"],
            ["tests.id"],
        ),
        sa.PrimaryKeyConstraint("execution_id", "test_id", "attempt"),
    )
    op.create_index("ix_results_test", "test_results", ["test_id", "execution_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("the first schema: remove the database instead")
