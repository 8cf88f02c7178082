"""The functions that chaoslib calls for providers of type `testbed`."""

from __future__ import annotations

from typing import Any

from runners.chaos.conductor import current


def inject(fault: str, target: str, ttl_s: float, hold_s: float) -> dict[str, Any]:
    """Action: inject a fault, hold it, revert it, wait for recovery."""
    return current().inject(fault, target, ttl_s, hold_s)


def probe(probe: str, target: str | None = None) -> bool:
    """Probe: is the service well (`health`), are writes accepted (`write`)?"""
    return current().probe(probe, target)
