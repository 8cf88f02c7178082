"""A deployment that shares nothing with the reference platform, tested by its profile alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.command import Testbed
from tests.targets.otherstack.running import otherstack


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    folder = tmp_path_factory.mktemp("other")
    with otherstack(folder) as inventory:
        found = Testbed(folder / "home")
        found.run("up", "other", "--inventory", str(inventory))
        yield found
        found.run("down", "other")


def outcomes_of(events: list[dict[str, Any]]) -> dict[str, str]:
    return {event["id"]: event["outcome"] for event in events if event["type"] == "test.finished"}


def test_what_it_has_is_verified_and_what_it_lacks_is_not_applicable(testbed: Testbed) -> None:
    found = testbed.json("verify", "other")
    states = {one["name"]: one["state"] for one in found["operations"]}
    assert found["ready"] and 0 < found["coverage"] < 1
    assert {name for name, state in states.items() if state == "failed"} == set()
    assert states["search.logs"] == states["ingest.logs"] == "ok"
    assert states["alerts.list"] == states["auth.login"] == "not_applicable"
    # Nothing is stored yet: that an unknown trace is missing says nothing about known ones.
    (trace,) = [one for one in found["operations"] if one["name"] == "traces.get"]
    assert trace["state"] == "not_applicable" and trace["reason"].startswith("not assessed: ")


def test_telemetry_users_and_audit_pass_without_chaos(testbed: Testbed) -> None:
    events = testbed.events("run", "smoke-without-chaos", "--env", "other", "--set", "telemetry.duration=6s")
    assert events[-1]["type"] == "run.finished" and events[-1]["verdict"] == "passed"
    audit = testbed.json("data", "audit", "last")
    for signal in ("logs", "traces", "metrics"):
        counts = audit["signals"][signal]
        assert counts["acked"] == counts["found"] > 1000, signal
        assert counts["lost"] == counts["duplicated"] == counts["leaked"] == counts["corrupt"] == 0, signal


def test_the_journeys_that_apply_pass_and_the_others_are_skipped_with_the_reason(testbed: Testbed) -> None:
    events = testbed.events("e2e", "run", "--env", "other")
    outcomes = outcomes_of(events)
    assert events[-1]["verdict"] == "passed"
    passed = {id_ for id_, outcome in outcomes.items() if outcome == "passed"}
    assert passed >= {
        "search.logs-are-found-exactly", "search.pages-lose-nothing", "search.export-is-complete", "traces.are-whole",
        "isolation.trace-of-another-is-missing", "isolation.search-shows-ones-own", "writing.repeats-count-once",
        "login.needs-a-token", "roles.viewer-only-reads", "platform.errors-have-one-form",
    }  # fmt: skip
    assert {outcome for id_, outcome in outcomes.items() if id_ not in passed} == {"skipped"}
    reasons = [event["message"] for event in events if event.get("outcome") == "skipped"]
    assert reasons and all(reason.startswith("not applicable: ") for reason in reasons)


def test_chaos_is_not_applicable(testbed: Testbed) -> None:
    refused = testbed.run("chaos", "run", "ingest-crash", "--env", "other", code=2)
    assert "Traceback" not in refused.stderr
