"""The acceptance of the audit: whatever a storage does to a run by a known plan is reported, each item by its name under the
right word, and nothing else is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.datagen.mutations import OF_BATCHES, OF_ITEMS, Line, Mutator
from tests.integration.datagen.platform import environment, serving
from tests.integration.datagen.stage import SCENARIO, Stage, audit, generate

SIGNALS = ("logs", "traces", "metrics")
TEXT = SCENARIO.replace("cpus: 1", "cpus: 1, histograms: true, restart: 1s").replace("max_items: 200", "max_items: 100")


def reported(stage: Stage) -> Counter[Line]:
    found: Counter[Line] = Counter()
    for text in (stage.folder / "artifacts" / "lost.ndjson").read_text().splitlines():
        line = json.loads(text)
        key = json.dumps(line["key"], sort_keys=True)
        found[line["wrong"], line["signal"], line["tenant"], line.get("readable_by"), key] += 1
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_mutation_of_the_plan_is_reported_and_nothing_else(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Mutator(seed)) as storage:
        assert isinstance(storage, Mutator)
        environment(tmp_path, storage.url)
        stage = generate(tmp_path, TEXT)
        assert stage.end() == 0, (stage.folder / "stderr").read_text()
        check = audit(tmp_path, stage, wait="2s")
        assert check.end() == 1, (check.folder / "stderr").read_text()
    found = reported(check)
    met, extra = (storage.expected & found).total(), (found - storage.expected).total()
    with capsys.disabled():
        print(
            f"\nmutations, seed {seed}: {storage.applied.total()} applied,"
            f" {met} of {storage.expected.total()} consequences reported, {extra} others"
        )
    assert found == storage.expected
    for level, kinds in (("batch", OF_BATCHES), ("item", OF_ITEMS)):
        done = {what for of, what, _ in storage.applied if of == level}
        assert done == set(kinds), "the plan is too small to prove anything"
    assert {signal for *_, signal in storage.applied} == set(SIGNALS)
    assert any("_count" in key for *_, key in storage.expected), "no histogram was touched"


def test_a_storage_that_only_reorders_is_not_accused(tmp_path: Path) -> None:
    with serving(Mutator(3, batches=0, items=0)) as storage:
        environment(tmp_path, storage.url)
        stage = generate(tmp_path, TEXT)
        assert stage.end() == 0
        for rows in storage.rows.values():
            rows.reverse()
        assert audit(tmp_path, stage).end() == 0
