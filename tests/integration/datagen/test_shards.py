"""Several processes make one run."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from runners.events import read_events
from runners.ledger.reader import being_written
from tests.integration.datagen.platform import Platform, environment, serving, trouble
from tests.integration.datagen.proof import SIGNALS, audited, planned, stored, summed
from tests.integration.datagen.stage import generate, resume


def test_several_processes_make_one_run_and_their_ledgers_are_one(tmp_path: Path) -> None:
    with serving(Platform(trouble)) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, shards=3)
        assert stage.end() == 0, stage.of("run.finished")
        assert dict(stored(platform)) == planned()
        assert len(list(stage.ledger.glob("shard-*"))) == 2
        (told,) = stage.of("ledger")
        assert told["sent"] == told["acked"] == sum(planned().values())
        others = [event for path in stage.folder.rglob("shards/*/events.jsonl") for event in read_events(path)]
        costs = [event["cpu_s"] for event in others if event["type"] == "ledger"]
        assert len(costs) == 2 and told["cpu_s"] > sum(costs) > 0, "what it costs is what all of them cost"
        points: Counter[str] = Counter()
        for event in stage.of("metric.points"):
            for item in event["many"]:
                points[item["series"]] += sum(item["v"])
        assert {name: points[f"data.acked{{signal={name}}}"] for name in SIGNALS} == planned()
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "found") == sum(planned().values())


def test_shards_die_with_the_run_and_are_resumed_with_it(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, shards=2)
        stage.wait_for(lambda: len(platform.requests) > 30)
        stage.process.kill()
        assert stage.end() == -signal.SIGKILL
        stage.settle(lambda: not being_written(stage.ledger))
        again = resume(tmp_path, stage)
        assert again.end() == 0, again.of("run.finished")
        assert audited(tmp_path, again)[0] == 0
        assert dict(stored(platform)) == planned()
