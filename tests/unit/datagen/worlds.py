"""Small worlds for tests."""

from __future__ import annotations

from pathlib import Path

from runners.datagen.scenario import Scenario, read_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity

RUN = "0192aaaa-0000-7000-8000-000000000001"
START = 1_795_000_000_000_000_000
TEXT = """
scenario: small
description: for tests
duration: 6s
tick: 1s
tenants:
  - {id: acme, weight: 3}
  - {id: globex}
instances: 2
load:
  requests: 20/s
  wave: {amplitude: 30%, period: 5s}
errors: 15%
metrics: {interval: 2s, cpus: 1}
delivery: {max_items: 80, resend: 10%}
"""


def scenario(text: str = TEXT) -> Scenario:
    return read_scenario(text.encode(), Path("small.yaml"))


def world(seed: int = 42, *, text: str = TEXT, run: str = RUN, start: int = START) -> World:
    read = scenario(text)
    return World(read, Identity(run, read.tenants), seed, start)
