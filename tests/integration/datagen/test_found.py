"""What goes wrong in the platform's store is found by the audit, item by item."""

from __future__ import annotations

import json
from pathlib import Path

from runners.ledger.attempt import Outcome
from runners.ledger.reader import read_attempts
from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.proof import audited, planned, stored, summed
from tests.integration.datagen.stage import audit, generate


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
