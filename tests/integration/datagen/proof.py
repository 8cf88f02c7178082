"""What a stage should have sent, what the platform has of it, and what the audit says of both."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from runners.datagen.plan import count
from runners.datagen.scenario import read_scenario
from tests.integration.datagen.platform import Platform
from tests.integration.datagen.stage import SCENARIO, Stage, audit

SIGNALS = ("logs", "traces", "metrics")


def planned(text: str = SCENARIO) -> dict[str, int]:
    return dict(count(read_scenario(text.encode(), Path("x")), 42).items)


def stored(platform: Platform) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, name), rows in platform.rows.items():
        found[name] += len(rows)
    return found


def audited(home: Path, of: Stage, **params: Any) -> tuple[int, dict[str, Any]]:
    stage = audit(home, of, **params)
    code = stage.end()
    (told,) = stage.of("ledger")
    assert stage.of("run.finished")[-1]["verdict"] == told["document"]["verdict"]
    assert {event["id"] for event in stage.of("test.finished")} == {f"audit.{each}" for each in SIGNALS}
    assert json.loads((stage.folder / "artifacts" / "audit.json").read_text()) == told["document"]
    return code, told["document"]


def summed(document: dict[str, Any], name: str) -> int:
    return sum(document["signals"][each][name] for each in SIGNALS)
