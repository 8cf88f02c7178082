"""The generator's process against a platform that answers well, badly, late, twice or not at all."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runners.datagen.plan import count
from runners.datagen.scenario import read_scenario
from runners.events import read_events
from runners.ledger.attempt import Flag, Outcome
from runners.ledger.reader import being_written, fates, read_attempts, totals
from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.stage import SCENARIO, Stage, audit, generate, resume
from tests.servers import free_port

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


def trouble(number: int) -> str:
    return {2: "drop", 5: "store-drop", 8: "429", 9: "503", 12: "drop", 17: "store-drop", 21: "401", 25: "garbage"}.get(
        number, "ok"
    )


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


def test_keys_that_are_promised_but_ignored_are_found(tmp_path: Path) -> None:
    with serving(Platform(honours=False)) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        stage.end()
        code, document = audited(tmp_path, stage)
        extra = sum(stored(platform).values()) - sum(planned().values())
        assert (code, document["verdict"]) == (1, "failed")
        assert summed(document, "duplicated") == extra > 0
        assert summed(document, "duplicated_by_retry") == 0


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


def test_a_killed_generator_leaves_a_ledger_that_tells_the_truth(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        stage.wait_for(lambda: len(platform.requests) > 30)
        stage.process.kill()
        assert stage.end() == -signal.SIGKILL
        sent = totals(fates(read_attempts(stage.ledger)).values())
        assert 0 < sent.sent < sum(planned().values())
        assert sent.acked + sent.unknown == sent.sent
        code, document = audited(tmp_path, stage, wait="2s")
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "acked") <= summed(document, "found") == sum(stored(platform).values())


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


@pytest.mark.parametrize("honours", [True, False])
def test_a_killed_generator_is_resumed_to_the_end_and_the_audit_is_exact(tmp_path: Path, honours: bool) -> None:
    script = {12: "store-drop", 31: "503"}
    with serving(Platform(lambda number: script.get(number, "ok"), honours=honours)) as platform:
        environment(tmp_path, platform.url, idempotency="honoured" if honours else "none")
        stage = generate(tmp_path)
        for wanted in (20, 45):
            stage.wait_for(lambda wanted=wanted: len(platform.requests) > wanted)  # type: ignore[misc]
            stage.process.kill()
            assert stage.end() == -signal.SIGKILL
            rows = (stage.ledger / "attempts.bin").read_bytes()
            (stage.ledger / "attempts.bin").write_bytes(rows + b"torn")  # a row that was being written
            stage = resume(tmp_path, stage)
        assert stage.end() == 0, (stage.folder / "stderr").read_text()
        (told,) = stage.of("ledger")
        assert told["acked"] == told["sent"] == sum(planned().values())
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (0, "passed")
        assert summed(document, "found") == sum(planned().values())
        keys = Counter(request["key"] for request in platform.requests)
        acked = {a.batch for a, s in read_attempts(stage.ledger) if s.outcome is Outcome.ACKED}
        assert len(acked) == len(keys)
        resent = [a for a, _ in read_attempts(stage.ledger) if Flag.RESEND in a.flags]
        again = sum(1 for a, s in read_attempts(stage.ledger) if s.outcome is not Outcome.ACKED)
        assert sum(keys.values()) <= len(keys) + len(resent) + again  # what was acknowledged was not sent anew


def test_a_run_that_is_still_writing_cannot_be_resumed(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, duration_s=60)
        stage.wait_for(lambda: bool(stage.of("phase")))
        stage.process.send_signal(signal.SIGSTOP)  # or it might end before the other process has begun
        try:
            second = resume(tmp_path, stage)
            assert second.end() == 2
        finally:
            stage.process.send_signal(signal.SIGCONT)
        assert "still writing" in second.of("run.finished")[-1]["reason"]
        assert stage.stop() == 0


def test_what_went_to_standard_output_is_not_taken_up_into_another_processs(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        stage = generate(tmp_path, sink=f"stdout:/proc/{os.getpid()}/fd/{out.fileno()}")
        assert stage.end() == 0
        size = out.tell()
        second = resume(tmp_path, stage)
        assert second.end() == 2
        assert "process that is gone" in second.of("run.finished")[-1]["reason"]
        assert out.tell() == size


def test_a_run_that_is_still_writing_is_not_assessed(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, duration_s=60)
        stage.wait_for(lambda: bool(stage.of("phase")))
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (2, "invalid")
        assert "still writing" in document["reason"]
        assert document["signals"]["logs"]["lost"] is None
        assert stage.stop() == 0
        assert audited(tmp_path, stage)[0] == 0


def test_a_stop_ends_in_good_order(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        stage.wait_for(lambda: bool(stage.of("phase")))
        assert stage.stop(6) == 0
        (told,) = stage.of("ledger")
        assert 0 < told["sent"] == told["acked"] < sum(planned().values())
        assert stage.of("run.finished")[-1]["verdict"] == "passed"
        assert audited(tmp_path, stage)[0] == 0


def test_sigterm_while_the_platform_is_away_ends_within_the_grace(tmp_path: Path) -> None:
    platform = Platform()
    with serving(platform):
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        stage.wait_for(lambda: bool(stage.of("phase")))
    stage.wait_for(lambda: any(s.outcome is Outcome.UNKNOWN for _, s in read_attempts(stage.ledger)))
    stage.process.send_signal(signal.SIGTERM)
    assert stage.end(5) == 1
    (told,) = stage.of("ledger")
    assert told["unknown"] > 0 and told["sent"] == told["acked"] + told["unknown"]


def test_rejected_items_fail_the_run_and_must_not_be_there(tmp_path: Path) -> None:
    with serving(Platform(lambda n: "400" if n in (3, 4) else "ok")) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        assert stage.end() == 1
        (told,) = stage.of("ledger")
        assert told["rejected"] > 0 and told["acked"] + told["rejected"] == told["sent"]
        assert "were rejected" in stage.of("run.finished")[-1]["reason"]
        code, document = audited(tmp_path, stage)
        assert (code, summed(document, "stored_though_rejected")) == (0, 0)
        assert summed(document, "found") == told["acked"]


def test_a_partial_success_is_counted_item_by_item(tmp_path: Path) -> None:
    with serving(Platform(lambda n: "partial" if n % 7 == 3 else "ok")) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SCENARIO.replace("resend: 10%", "resend: 0%"))
        assert stage.end() == 1
        (told,) = stage.of("ledger")
        assert told["rejected"] > 0
        assert told["acked"] == sum(stored(platform).values())
        code, document = audited(tmp_path, stage)
        assert code == 0
        assert document["signals"]["logs"]["rejected"] == told["rejected"]


def test_what_is_never_acknowledged_fails_the_run(tmp_path: Path) -> None:
    with serving(Platform(lambda n: "drop" if n > 5 else "ok")) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SCENARIO.replace("give_up: 10s", "give_up: 300ms"))
        assert stage.end() == 1
        assert "never acknowledged" in stage.of("run.finished")[-1]["reason"]
        assert audited(tmp_path, stage, wait="1s")[1]["signals"]["logs"]["lost"] == 0


def test_lost_items_are_named_by_the_audit(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        assert stage.end() == 0
        gone = [platform.rows["globex", "logs"].pop(10) for _ in range(3)]
        gone += [platform.rows["acme", "traces"].pop(7)]
        check = audit(tmp_path, stage)
        assert check.end() == 1
        lines = [json.loads(line) for line in (check.folder / "artifacts" / "lost.ndjson").read_text().splitlines()]
        assert {(line["wrong"], line["signal"], line["tenant"]) for line in lines} == {
            ("lost", "logs", "globex"), ("lost", "traces", "acme"),
        }  # fmt: skip
        named = {line["key"]["span_id"] for line in lines if line["signal"] == "traces"}
        assert named == {gone[3]["content"]["span_id"]}
        assert {line["key"]["body"] for line in lines if line["signal"] == "logs"} == {
            g["content"]["body"] for g in gone[:3]
        }
        assert {line["why"] for line in lines} == {"no cause known"}
        outcomes = {event["id"]: event["outcome"] for event in check.of("test.finished")}
        assert outcomes == {"audit.logs": "failed", "audit.traces": "failed", "audit.metrics": "passed"}


def test_what_is_lost_while_requests_got_no_answer_says_so(tmp_path: Path) -> None:
    with serving(Platform(lambda n: "drop" if 20 <= n < 24 else "ok")) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        assert stage.end() == 0
        (attempt, _), *_ = [told for told in read_attempts(stage.ledger) if told[1].outcome is Outcome.UNKNOWN]
        rows = platform.rows["acme", "logs"]
        rows.remove(min(rows, key=lambda row: abs(int(row["time_unix_nano"]) - attempt.sent_at)))
        code, document = audited(tmp_path, stage)
        (gap,) = document["gaps"]
        assert code == 1 and "got no answer within" in gap["why"] and gap["fault"] is None


def test_an_export_without_its_last_line_is_invalid(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path)
        stage.end()
        platform.cut_export = True
        code, document = audited(tmp_path, stage)
        assert (code, document["verdict"]) == (2, "invalid")
        assert "last line is missing" in document["reason"]
        assert document["signals"]["logs"]["lost"] is None


def test_a_sink_that_is_down_at_the_start_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    environment(tmp_path, f"http://127.0.0.1:{free_port()}")
    stage = generate(tmp_path)
    assert stage.end() == 2
    assert "cannot be reached" in stage.of("run.finished")[-1]["reason"]
    assert not stage.ledger.exists()


def test_a_tenant_that_the_target_does_not_have_is_named_with_its_line(tmp_path: Path) -> None:
    with serving(Platform()) as platform:
        environment(tmp_path, platform.url)
        stage = generate(tmp_path, SCENARIO.replace("id: globex", "id: umbrella"))
        assert stage.end() == 2
        reason = stage.of("run.finished")[-1]["reason"]
        assert "no tenant 'umbrella'" in reason and "quick.yaml:5" in reason


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
