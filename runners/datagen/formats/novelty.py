"""Patterns that a service never wrote before: what a log-novelty anomaly writes, and what a template miner must find."""

from __future__ import annotations

from runners.datagen.formats.pools import pick

_PATTERNS = (
    "assertion failed: ledger balance {service} went negative, refusing to continue",
    "kernel: Out of memory: Killed process 4127 ({service}) total-vm:2097152kB, anon-rss:1048576kB",
    "certificate for {service}.shop.svc expires in 0 days, falling back to plaintext is disabled",
    "quorum lost in {service}: 1 of 3 voters reachable, entering read-only mode",
)


def novel_message(service: str, anomaly: str) -> str:
    """The message of one anomaly at one service: the same in all its records."""
    return pick(_PATTERNS, "novelty", service, anomaly).replace("{service}", service)
