"""Grafana Tempo as the store of traces: by id, and searched by tags (1.x) or TraceQL (2 and later)."""
