"""Run ids: UUIDv7 (RFC 9562), so that their text sorts by time."""

from __future__ import annotations

import os
import time
import uuid


def new_run_id() -> str:
    """A fresh UUIDv7 as 36 characters: 48 bits of Unix milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def started_at(run_id: str) -> float:
    """Unix seconds at which the id was made."""
    return (uuid.UUID(run_id).int >> 80) / 1000
