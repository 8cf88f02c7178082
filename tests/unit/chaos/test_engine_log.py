"""What Chaos Toolkit logs, as the events of a run tell it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

from runners.chaos.engine import _chaoslib_log


def test_a_steady_state_that_is_left_under_a_fault_is_no_warning() -> None:
    told: list[tuple[str, str]] = []
    context: Any = SimpleNamespace(log=lambda message, level: told.append((level, message)))
    with _chaoslib_log(context):
        logger = logging.getLogger("chaostoolkit")
        logger.warning("Continuous steady state probe 'ingest-health' is not in the given tolerance")
        logger.warning("the rollback failed")
    assert told == [("info", "steady state left: ingest-health does not hold"), ("warn", "the rollback failed")]
