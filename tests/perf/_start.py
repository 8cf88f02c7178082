"""What a process does until its first request is encoded; run by the benchmark of the start."""

from __future__ import annotations

from pathlib import Path

from runners.lib.lasting import lasting


def first() -> None:
    with lasting():
        from runners.datagen.scenario import read_scenario
        from runners.datagen.world import World
        from runners.ledger.attempt import Batch
        from runners.ledger.identity import Identity

    text = b"scenario: x\nduration: 2s\ntenants: [{id: acme}]\nload: {requests: 80/s}\n"
    world = World(read_scenario(text, Path("x.yaml")), Identity("start", ("acme",)), 1, 10**18)
    assert world.parcel(Batch(0, "traces", 0, 0)).items
