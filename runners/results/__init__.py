"""Results in a database: models and migrations, ingest of event files, queries, measures and gates.

The event files are the truth; the database is a mirror that `reindex` can rebuild at any time.
"""
