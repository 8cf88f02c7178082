"""Grafana Loki as the store of logs: LogQL made from structured filters, the tenant as X-Scope-OrgID."""
