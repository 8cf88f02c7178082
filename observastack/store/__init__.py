"""Embedded signal store: logs, traces and metrics in the platform's PostgreSQL, one tenant per row, day partitions."""
