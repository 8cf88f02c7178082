"""The halt lever: a file beside the environment's state. As long as it lies there, nothing may be injected."""

from __future__ import annotations

import time
from typing import Any

from runners.lib.files import read_json, write_json
from runners.lib.home import Environment


def pull(environment: Environment, by: str, reason: str) -> None:
    """Put the lever down; again is no error."""
    environment.chaos.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(environment.halted, {"by": by, "reason": reason, "at": time.time()})


def release(environment: Environment) -> bool:
    """Lift it; False when it was not down."""
    try:
        environment.halted.unlink()
    except FileNotFoundError:
        return False
    return True


def halted(environment: Environment) -> dict[str, Any] | None:
    """`{by, reason, at}` when the lever is down. A file that is not whole counts as down."""
    if not environment.halted.exists():
        return None
    document = read_json(environment.halted)
    return document if isinstance(document, dict) else {"by": "unknown", "reason": "the lever's file is not readable"}
