"""The gateway's log: one JSON object a line on stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

import orjson


def log(event: str, **fields: Any) -> None:
    """Write one line at once. Lines of several threads never mix: each is one write."""
    line = orjson.dumps({"ts": round(time.time(), 6), "event": event, **fields}) + b"\n"
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
