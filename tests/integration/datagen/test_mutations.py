"""The acceptance of the audit: whatever a storage does to a run by a known plan is reported, each item by its name under the
right word, and nothing else is."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from runners.datagen.auditing import world_of
from runners.ledger.header import read_header
from tests.integration.datagen.mutations import OF_BATCHES, OF_ITEMS, OF_MARKERS, Line, Mutator
from tests.integration.datagen.platform import environment, serving
from tests.integration.datagen.stage import SCENARIO, Stage, audit, generate

SIGNALS = ("logs", "traces", "metrics")
TEXT = SCENARIO.replace("cpus: 1", "cpus: 1, histograms: true, restart: 1s").replace("max_items: 200", "max_items: 100")


ENDING = TEXT.replace("cpus: 1", "cpus: 1, series: 7500, churn: 50%/s, staleness: true") + (
    "anomalies: [{name: out, kind: deploy, target: {service: cart}, at: 600ms, lasts: 800ms}]\n"
)


def reported(stage: Stage) -> Counter[Line]:
    found: Counter[Line] = Counter()
    for text in (stage.folder / "artifacts" / "lost.ndjson").read_text().splitlines():
        line = json.loads(text)
        key = json.dumps(line["key"], sort_keys=True)
        found[line["wrong"], line["signal"], line["tenant"], line.get("readable_by"), key] += 1
    return found


@pytest.mark.parametrize(("seed", "text"), [(1, TEXT), (2, ENDING)])
def test_every_mutation_of_the_plan_is_reported_and_nothing_else(
    tmp_path: Path, seed: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Mutator(seed)) as storage:
        assert isinstance(storage, Mutator)
        environment(tmp_path, storage.url)
        stage = generate(tmp_path, text)
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


def test_of_markers_in_flight_what_is_seen_is_reported_and_the_rest_is_not_observable(tmp_path: Path) -> None:
    with serving(Mutator(4, batches=0, items=0, markers=0.2)) as storage:
        assert isinstance(storage, Mutator)
        environment(tmp_path, storage.url)
        stage = generate(tmp_path, ENDING, start_ns=time.time_ns() - 5 * 10**9)
        assert stage.end() == 0, stage.events()[-1]
        check = audit(tmp_path, stage, wait="2s")
        assert check.end() == 1, (check.folder / "stderr").read_text()
    assert {what for level, what, _ in storage.applied if level == "marker"} == set(OF_MARKERS)
    lines = [json.loads(text) for text in (check.folder / "artifacts" / "lost.ndjson").read_text().splitlines()]
    assert {line["wrong"] for line in lines} == {"corrupt"}
    assert Counter((line["tenant"], int(line["time_unix_nano"])) for line in lines) == Counter(storage.unmarked)
    assert any("app.span.duration" in json.dumps(line) for line in lines), "no instance was replaced"
    counts = json.loads((check.folder / "artifacts" / "audit.json").read_text())["signals"]["metrics"]
    world = world_of(stage.ledger, read_header(stage.ledger))
    markers = sum(world.ended(tenant, "metrics", tick) for tenant in range(3) for tick in range(world.ticks))
    assert counts["markers"] == counts["not_observable"] == markers - len(lines)
    assert counts["acked"] == counts["found"] + counts["not_observable"]
