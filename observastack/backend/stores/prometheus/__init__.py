"""Prometheus as the store of samples: its HTTP API, the tenant a label that every selector must carry."""
