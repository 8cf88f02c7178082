"""Shipped scenarios, broken at random: each is counted, or refused with a sentence; never a traceback, never a hang."""

from __future__ import annotations

import copy
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from runners.datagen.gauging import gauged
from runners.datagen.plan import count
from runners.datagen.scenario import read_scenario
from runners.lib.errors import TestbedError

SHIPPED = Path(__file__).resolve().parents[3] / "runners" / "shipped" / "scenarios"
DOCUMENTS = [
    found for path in sorted(SHIPPED.glob("*.yaml")) if "tenants" in (found := yaml.safe_load(path.read_text()))
]
BROKEN: list[Any] = [
    None, "", -1, 0, 1e308, 10**30, "1e9/s", "10000000d", "-5s", "x-3", [], {}, [[]], {"a": 1}, True, "yes", "🦊" * 1000,
    "../../etc/passwd", "50 GB", "999999 TB/s", "101%", "-1%", float("nan"), float("inf"), "{user}", "0x10", -(10**12), 3.5,
    "Europe/Nowhere", "2000%",
]  # fmt: skip
LIMIT_S = 10


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document something stands."""
    if at:
        yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*at, key))


def broken(chance: random.Random) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(chance.choice(DOCUMENTS))
    document["duration"] = "3s"
    document.pop("anomalies", None), document.pop("quiet", None)
    document["load"].pop("spikes", None)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        *above, key = chance.choice(list(places(document)))
        inside: Any = document
        for part in above:
            inside = inside[part]
        if chance.random() < 0.15:
            del inside[key]
        else:
            inside["unknown" if chance.random() < 0.1 and isinstance(key, str) else key] = chance.choice(BROKEN)
    return document


@pytest.mark.parametrize("seed", range(4))
def test_a_broken_scenario_is_refused_with_a_sentence_or_can_be_counted(seed: int) -> None:
    def hangs(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("it hangs")

    chance = random.Random(seed)
    refused = 0
    signal.signal(signal.SIGALRM, hangs)
    for _ in range(50):
        text = yaml.safe_dump(document := broken(chance))
        signal.alarm(LIMIT_S)
        try:
            scenario = read_scenario(text.encode(), Path("broken.yaml"))
            gauged(scenario)
            assert count(scenario, 1).items["metrics"] > 0
        except TestbedError as error:
            refused += 1
            assert error.exit_code == 2, document
            assert "broken.yaml" in str(error), document
            assert "pydantic" not in str(error) and "instance of" not in str(error)
        finally:
            signal.alarm(0)
    assert refused > 30
