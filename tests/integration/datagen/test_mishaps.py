"""Delivery faults, played against a platform: what is late is not lost, what is broken is refused."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.stage import SCENARIO, audit, generate

HELD = SCENARIO.replace(
    "resend: 10%}", "faults: {late: {share: 20%, by: 1s}, out_of_order: {share: 30%, within: 600ms}}}"
)
SPOILT = SCENARIO.replace("resend: 10%}", "faults: {malformed: {every: 400ms}, oversized: {every: 1s, size: 1MB}}}")


def tick_of(request: dict[str, str]) -> int:
    return int(request["key"].rsplit("-", 2)[1])


def test_what_is_late_or_overtaken_arrives_and_the_audit_is_exact(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, HELD)
        assert stage.end() == 0
        ticks = [tick_of(request) for request in platform.requests]
        behind = [max(ticks[:index], default=0) - tick for index, tick in enumerate(ticks)]
        assert sum(by > 0 for by in behind) > len(ticks) / 10, "some come after what was made later"
        assert max(behind) >= 4, "and some a second later"
        assert max(ticks) == ticks[-1] == 10, "sentinels come last"
        assert audit(tmp_path, stage).end() == 0


def test_broken_and_oversized_requests_are_refused_and_leave_no_trace(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        platform.largest = 900_000
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SPOILT)
        assert stage.end() == 0, stage.events()[-1]
        told = json.loads((stage.folder / "artifacts" / "spoilt.json").read_text())
        assert {(one["kind"], one["status"]) for one in told} == {("malformed", 400), ("oversized", 413)}
        assert sum(one["kind"] == "malformed" for one in told) == 5
        assert audit(tmp_path, stage).end() == 0


def test_a_file_is_not_asked_to_refuse_anything_but_the_platform_beside_it_is(tmp_path: Path) -> None:
    files = [f"capture:{tmp_path / 'kept'}", f"file:{tmp_path / 'lines.jsonl'}", "null:"]
    stage = generate(tmp_path, SPOILT, sink=files)
    assert stage.end() == 0, stage.events()[-1]
    assert not list(stage.folder.rglob("spoilt.json"))
    with serving(Platform()) as platform:
        platform.largest = 900_000
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SPOILT, sink=["null:", "platform:"])
        assert stage.end() == 0, stage.events()[-1]
        assert len(json.loads((stage.folder / "artifacts" / "spoilt.json").read_text())) == 7


def test_two_processes_send_as_many_broken_requests_as_one(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, HELD.replace("faults: {", "faults: {malformed: {every: 200ms}, "), shards=2)
        assert stage.end() == 0, stage.events()[-1]
        told = [one for path in stage.folder.rglob("spoilt.json") for one in json.loads(path.read_text())]
        assert len(told) == 10 and {one["tenant"] for one in told} == {"acme", "globex", "initech"}
        assert audit(tmp_path, stage).end() == 0


def test_a_platform_that_acknowledges_what_is_broken_fails_the_run(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        platform.largest, platform.lenient = 900_000, True
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SPOILT)
        assert stage.end() == 1
        assert "malformed requests were acknowledged" in stage.of("run.finished")[0]["reason"]


def test_a_platform_that_stores_what_is_oversized_is_found_by_the_audit(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SPOILT)
        assert stage.end() == 1
        assert "oversized requests were acknowledged" in stage.of("run.finished")[0]["reason"]
        judged = audit(tmp_path, stage)
        assert judged.end() == 1
        document = json.loads((judged.folder / "artifacts" / "audit.json").read_text())
        assert sum(of["duplicated"] for of in document["signals"].values()) > 0
