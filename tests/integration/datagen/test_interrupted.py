"""A generator that is killed, stopped or asked twice: its ledger tells the truth, and the run can be taken up again."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from runners.ledger.attempt import Flag, Outcome
from runners.ledger.reader import fates, read_attempts, totals
from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.proof import audited, planned, stored, summed
from tests.integration.datagen.stage import generate, resume


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
