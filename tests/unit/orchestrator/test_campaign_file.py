"""Campaign files: what is wrong is said with file, line and remedy, and nothing is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.config import settings
from runners.config.lookup import SHIPPED
from runners.lib.errors import FileError, UsageError
from runners.orchestrator import campaign, plan
from runners.orchestrator.spec import CampaignSpec

GOOD = """\
campaign: mine
seed: 3
stages:
  - {name: telemetry, suite: data, scenario: smoke, duration: 40s}
  - {name: users, suite: load, scenario: browse, during: telemetry}
  - {name: crash, suite: chaos, experiment: ingest-crash, during: telemetry, at: 15s}
  - {name: audit, suite: data, action: audit, of: telemetry, needs: [telemetry, crash], retries: 1}
gates:
  - audit.lost == 0
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("campaign: mine", "campain: mine", 1, "unknown key 'campain'.*did you mean 'campaign'"),
        ("during: telemetry}", "durign: telemetry}", 5, "unknown key 'durign'.*did you mean 'during'"),
        ("suite: load", "suite: laod", 5, "unknown suite 'laod'.*did you mean 'load'"),
        ("needs: [telemetry, crash]", "needs: [telemetry, crahs]", 7, "'crahs', which is no stage.*'crash'"),
        ("of: telemetry", "of: telemetri", 7, "of names 'telemetri'"),
        ("during: telemetry, at", "during: crash, at", 6, "during names itself"),
        ("scenario: browse", "scenario: browes", 5, "no scenario 'browes'.*did you mean 'browse'"),
        ("experiment: ingest-crash", "experiment: ingest-crush", 6, "no experiment.*ingest-crash"),
        ("name: users", "name: telemetry", 5, "given twice"),
        ("at: 15s", "at: 50s", 6, "starts at 50 s, but telemetry lasts only 40 s"),
        ("duration: 40s", "duration: 40 seconds", 4, "not a duration"),
        ("duration: 40s", "duration: 0s", 4, "must be more than 0"),
        ("duration: 40s", "duration: 40s, at: 3s", 4, "no 'during'"),
        ("duration: 40s", "duration: 40s, timeout: 30s", 4, "no longer than its duration"),
        ("duration: 40s", "duration: 40s, needs: [audit]", 4, "wait for each other: telemetry → audit → telemetry"),
        ("seed: 3", "timeout: 20s", 4, "longer than the campaign's timeout"),
        ("during: telemetry}", "during: telemetry, retries: 2}", 5, "load is never retried"),
        ("duration: 40s", "duration: 40s, retries: 1", 4, "audit would audit its last try only"),
        ("during: telemetry}", "during: telemetry, with: {usres: 5}}", 5, "no parameter 'usres'.*did you mean 'users'"),
        ("duration: 40s", "duration: 40s, with: {bogus: 1}", 4, "data generate has no parameter 'bogus'"),
        ("scenario: browse, ", "", 5, "key 'scenario' is missing"),
        ("scenario: browse", "scenario: browse, of: telemetry", 5, "'of' means nothing to load run"),
        ("- audit.lost == 0", "- {gate: audit.lost == 0, optinal: true}", 9, "unknown key 'optinal'.*'optional'"),
        ("- audit.lost == 0", "- {gate: audit.lots == 0}", 9, "an audit has no 'lots'"),
        ("action: audit", "action: audti", 7, "no action 'audti'.*'audit'"),
        ("audit.lost == 0", "audit.lots == 0", 9, "did you mean 'lost'"),
        ("audit.lost == 0", "audit.lost ==", 9, "gate"),
        ("audit.lost == 0", "p95(user.search) < 5s", 9, "unknown stage 'user'.*did you mean 'users'"),
        ("audit.lost == 0", "p95(users.search) < 5", 9, "unit"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(FileError) as caught:
        campaign.load(write(tmp_path, GOOD.replace(old, new, 1)))
    import re

    assert caught.value.line == line
    assert re.search(says, str(caught.value), re.DOTALL), str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "just text", "- a\n- b\n", "campaign: x\nstages: []\n", "campaign: 3x\nstages: 7\n"]
)
def test_what_is_no_campaign_at_all_is_an_error_for_people(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileError):
        campaign.load(write(tmp_path, text))


def plan_of(tmp_path: Path, text: str = GOOD, **keys: object) -> CampaignSpec:
    found = campaign.load(write(tmp_path, text))
    return plan.plan(found, settings.resolve({}, campaign=found.document, environ={}), **keys)  # type: ignore[arg-type]


def test_the_plan_has_fresh_ids_one_an_attempt_and_survives_its_own_json(tmp_path: Path) -> None:
    spec = plan_of(tmp_path)
    assert len(set(spec.run_ids)) == 1 + 4 + 1, "the campaign, four stages, one retry"
    assert CampaignSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec.seed == 3
    assert spec.stage("audit").of == "telemetry"


def test_estimates_come_from_durations_and_hosts(tmp_path: Path) -> None:
    times = plan.timetable(plan_of(tmp_path))
    assert times["telemetry"] == (0.0, 40.0)
    assert times["crash"] == (15.0, 40.0)
    assert times["audit"][0] == 40.0


def test_without_needs_and_during_stages_follow_one_another_with_their_company(tmp_path: Path) -> None:
    text = GOOD.replace("needs: [telemetry, crash], ", "") + ""
    spec = plan_of(tmp_path, text)
    assert spec.stage("audit").needs == ("telemetry",)
    assert set(spec.stage("audit").after) == {"users", "crash"}


def test_critical_stages_run_first(tmp_path: Path) -> None:
    text = GOOD.replace("of: telemetry,", "of: telemetry, critical: true,").replace(
        "gates:", "  - {name: later, suite: load, scenario: browse}\ngates:"
    )
    spec = plan_of(tmp_path, text)
    assert "audit" in (*spec.stage("later").after, *spec.stage("later").needs)
    assert "audit" not in (*spec.stage("telemetry").after, *spec.stage("crash").after), "what it needs is not held back"


def test_only_and_skip(tmp_path: Path) -> None:
    assert [item.name for item in plan_of(tmp_path, only=["telemetry"]).stages] == ["telemetry"]
    assert [item.name for item in plan_of(tmp_path, skip=["crash"]).stages] == ["telemetry", "users", "audit"]
    assert plan_of(tmp_path, skip=["crash"]).stage("audit").needs == ("telemetry",)
    with pytest.raises(UsageError, match="cannot run without telemetry"):
        plan_of(tmp_path, only=["users"])
    with pytest.raises(UsageError, match="did you mean 'crash'"):
        plan_of(tmp_path, skip=["crahs"])


def test_overrides_change_a_stage_and_are_checked_like_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    found = campaign.load(path, {"telemetry.duration": "20s", "users.with.users": "5"})
    assert found.stages[0].duration == 20
    assert found.stages[1].with_ == {"users": 5}
    for overrides, says in (
        ({"telemetri.duration": "20s"}, "did you mean 'telemetry'"),
        ({"telemetry.duratoin": "20s"}, "did you mean 'duration'"),
        ({"telemetry.duration": "soon"}, "not a duration"),
        ({"telemetry.duration": "10s"}, "lasts only 10 s"),
    ):
        with pytest.raises(UsageError, match=says):
            campaign.load(path, overrides)


def test_a_scenario_beside_the_campaign_is_found(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mix.yaml").write_text((SHIPPED / "scenarios" / "smoke.yaml").read_text())
    found = campaign.load(write(tmp_path, GOOD.replace("scenario: smoke", "scenario: own/mix.yaml")))
    assert found.files["telemetry"] == tmp_path / "own" / "mix.yaml"


@pytest.mark.parametrize("name", sorted(path.name for path in (SHIPPED / "campaigns").glob("*.yaml")))
def test_shipped_campaigns_hold_together_and_can_be_explained(name: str) -> None:
    found = campaign.load(SHIPPED / "campaigns" / name)
    spec = plan.plan(found, settings.resolve({}, campaign=found.document, environ={}))
    text = plan.explain(spec)
    assert all(item.name in text for item in spec.stages)
    assert plan.describe(spec)["estimate_s"] > 0


def test_a_gate_may_be_optional(tmp_path: Path) -> None:
    text = GOOD + "  - {gate: audit.duplicated == 0, optional: true}\n"
    spec = plan.plan(campaign.load(write(tmp_path, text)), settings.resolve({}))
    assert spec.gates == ("audit.lost == 0", "audit.duplicated == 0")
    assert spec.optional_gates == ("audit.duplicated == 0",)
    assert CampaignSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_gate_that_is_also_wanted_is_not_optional(tmp_path: Path) -> None:
    text = GOOD + "  - {gate: audit.lost == 0, optional: true}\n"
    spec = plan.plan(campaign.load(write(tmp_path, text)), settings.resolve({}))
    assert spec.optional_gates == ()
