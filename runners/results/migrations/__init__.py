"""Alembic migrations of the results database; `runners.results.database` runs them when a database is older."""
