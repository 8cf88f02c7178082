"""A platform that is not there, knows a tenant not, refuses items or never answers: the run says so."""

from __future__ import annotations

from pathlib import Path

from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.proof import audited, stored, summed
from tests.integration.datagen.stage import SCENARIO, generate
from tests.servers import free_port


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
