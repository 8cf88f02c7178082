"""Synthetic telemetry: one simulated stream of requests, projected to spans, log records and metric samples."""
