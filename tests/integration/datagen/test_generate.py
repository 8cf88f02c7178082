"""The generator's process sends all that was planned: to a platform that answers well, late, twice or not at all, or to a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from runners.datagen.plan import count
from runners.datagen.scenario import read_scenario
from runners.ledger.attempt import Flag, Outcome
from runners.ledger.reader import read_attempts
from tests.integration.datagen.platform import Platform, environment, serving, trouble
from tests.integration.datagen.proof import SIGNALS, audited, planned, stored, summed
from tests.integration.datagen.stage import SCENARIO, generate
from tests.servers import free_port


def test_everything_planned_arrives_once_and_is_proved(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        assert stage.end() == 0, (stage.folder / "stderr").read_text()
        assert dict(stored(platform)) == planned()
        (told,) = stage.of("ledger")
        assert told["sent"] == told["acked"] == sum(planned().values())
        assert (told["rejected"], told["unknown"]) == (0, 0)
        assert [event["name"] for event in stage.of("phase")] == ["steady"]
        assert stage.of("run.started")[0]["plan"] == [stage.of("test.finished")[0]["id"]]
        points: Counter[str] = Counter()
        for event in stage.of("metric.points"):
            for item in event["many"]:
                points[item["series"]] += sum(item["v"]) if item["series"] != "data.late" else 0
        for name in SIGNALS:
            assert points[f"data.sent{{signal={name}}}"] == points[f"data.acked{{signal={name}}}"] == planned()[name]
        resent = [a for a, _ in read_attempts(stage.ledger) if Flag.RESEND in a.flags]
        assert len(resent) == count(read_scenario(SCENARIO.encode(), Path("x")), 42).resent > 0
        keys = Counter(request["key"] for request in platform.requests)
        assert sorted(keys.values(), reverse=True)[: len(resent) + 1] == [2] * len(resent) + [1]
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "found") == sum(planned().values())


def test_histograms_arrive_whole_and_are_proved(tmp_path: Path) -> None:
    text = SCENARIO.replace("cpus: 1", "cpus: 1, histograms: true, restart: 1s")
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, text)
        assert stage.end() == 0, (stage.folder / "stderr").read_text()
        assert stored(platform)["metrics"] > 4 * planned(text)["metrics"]  # each is shown as several
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "found") == sum(planned(text).values())


def test_what_is_never_told_is_not_missed_and_odd_times_are_found(tmp_path: Path) -> None:
    """A silent service, a deploy, lost spans, wrong clocks, a job's long trace: the audit stays exact."""
    text = (
        SCENARIO.replace("requests: 60/s", "requests: 60/s, arrivals: random")
        + "logs: {debug: 20%, asides: true}\n"
        + "traces: {skew: 5s, orphans: 5%, long: {every: 1s, lasts: 600ms, share: 50%}}\n"
        + "anomalies:\n"
        + "  - {name: gone, kind: silent, target: {service: cart}, at: 600ms, lasts: 800ms}\n"
        + "  - {name: new, kind: deploy, target: {service: search}, at: 1s, lasts: 800ms, magnitude: x3}\n"
    )
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, text)
        assert stage.end() == 0, stage.of("run.finished")
        assert dict(stored(platform)) == planned(text)
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "found") == sum(planned(text).values())
        platform.rows["acme", "traces"].pop(5)
        assert audited(tmp_path, stage)[0] == 1


@pytest.mark.parametrize("honours", [True, False])
def test_an_unreliable_platform_loses_nothing(tmp_path: Path, honours: bool) -> None:
    with serving(Platform(trouble, honours=honours)) as platform:
        environment(tmp_path, platform.url, idempotency="honoured" if honours else "none")
        stage = generate(tmp_path)
        assert stage.end() == 0
        outcomes = Counter(settled.outcome for _, settled in read_attempts(stage.ledger))
        assert outcomes[Outcome.UNKNOWN] == 6 and outcomes[Outcome.REFUSED] == 2
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "acked") == summed(document, "found") == sum(planned().values())
        extra = sum(stored(platform).values()) - sum(planned().values())
        assert summed(document, "duplicated") == 0
        assert summed(document, "duplicated_by_retry") == extra
        assert (extra == 0) == honours
        told = Counter[tuple[str, int]]()
        for one in document["said"]:
            told[one["signal"], one["status"]] += one["attempts"]
        assert told == Counter(
            (attempt.batch.signal, settled.status)
            for attempt, settled in read_attempts(stage.ledger)
            if settled.outcome is not Outcome.ACKED
        )
        assert {one["text"] for one in document["said"] if one["status"] in (401, 429, 503)} == {"no"}


def test_while_the_platform_is_away_the_generator_holds_back_and_then_catches_up(tmp_path: Path) -> None:
    port = free_port()
    platform = Platform()
    with serving(platform, port):
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        stage.wait_for(lambda: bool(stage.of("phase")))
    # Nothing listens now; the stage is a quarter through.
    rows = sum(map(len, platform.rows.values()))
    stage.wait_for(lambda: any(s.outcome is Outcome.UNKNOWN and a.number > 2 for a, s in read_attempts(stage.ledger)))
    assert sum(map(len, platform.rows.values())) == rows
    with serving(platform, port):
        assert stage.end() == 0
        assert dict(stored(platform)) == planned()
        times = {int(row["time_unix_nano"]) for row in platform.rows["acme", "metrics"]}
        start = json.loads((stage.ledger / "header.json").read_text())["start_ns"]
        assert {(time - start) // 200_000_000 for time in times} == set(range(1, 11))  # the schedule was kept
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")


def test_a_file_sink_writes_otlp_json_at_full_speed(tmp_path: Path) -> None:
    stage = generate(tmp_path, sink=f"file:{tmp_path / 'out.jsonl'}")
    assert stage.end() == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    found = Counter[str]()
    resent = [attempt for attempt, _ in read_attempts(stage.ledger) if Flag.RESEND in attempt.flags]
    for line in lines:
        if line["signal"] == "traces":
            for entry in line["request"]["resourceSpans"]:
                for span in entry["scopeSpans"][0]["spans"]:
                    found["traces"] += 1
                    assert len(span["traceId"]) == 32 and int(span["traceId"], 16)
                    assert span["startTimeUnixNano"].isdigit()
        elif line["signal"] == "logs":
            for entry in line["request"]["resourceLogs"]:
                found["logs"] += len(entry["scopeLogs"][0]["logRecords"])
    again = Counter[str]()
    for attempt in resent:
        again[attempt.batch.signal] += attempt.items
    assert {name: found[name] - again[name] for name in ("logs", "traces")} == {
        name: planned()[name] for name in ("logs", "traces")
    }
    code, document = audited(tmp_path, stage)
    assert code == 2 and "no platform to read it back from" in document["reason"]
