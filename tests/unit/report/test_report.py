"""Reports say what the events say: by rule, escaped, and never greener than the run."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest

from runners.lib.errors import FileError, UsageError
from runners.lib.home import Home
from runners.report import junit, markdown, page, service, words
from runners.report.collect import assemble, phase_windows
from runners.report.model import Fault
from tests.tape import START, tape, write_run

EVIL = "<script>alert(1)</script>\x1b]0;owned\x07\x1b[31m\"'&\u202e"


class Page(HTMLParser):
    """Tags, attributes and references of a page; raises on a tag that is closed but was not open."""

    VOID: ClassVar[set[str]] = {"meta", "link", "br", "hr", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def render(**options: Any) -> str:
    return page.render(assemble("0199aaaa", *tape(**options)), written_at=START + 70, events_sha256="ab" * 32)


def test_page_is_well_formed_and_asks_the_network_for_nothing() -> None:
    text = render()
    found = Page(text)
    assert not found.open
    references = [
        value for _, attrs in found.seen for key, value in attrs.items() if key in ("href", "src", "action", "data")
    ]
    assert references
    assert all(value and value.startswith(("#", "data:")) for value in references), references
    assert not re.search(r"https?:|//[a-z]", re.sub(r"http://www\.w3\.org/[\w/]+", "", text.replace("// ", "")))
    assert not any("style" in attrs or any(key.startswith("on") for key in attrs) for _, attrs in found.seen)


def test_hostile_text_never_becomes_markup_in_any_format() -> None:
    report = assemble("0199aaaa", *tape(verdict="failed", lost=3, text=EVIL))
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert sum(tag == "script" for tag, _ in Page(text).seen) == 2  # the page's own script and its data block
    for made in (text, markdown.render(report), junit.render(report)):
        assert "\x1b" not in made and "\u202e" not in made and "\x07" not in made
    assert "<script>" not in markdown.render(report)
    names = [case.get("name") for case in ElementTree.fromstring(junit.render(report)).iter("testcase")]
    assert "browse.search.logs<script>alert(1)</script>\"'&" in names


def test_headline_and_reasons_follow_from_the_data() -> None:
    passed = assemble("r", *tape())
    assert (
        words.headline(passed)
        == "All 92,400 acknowledged items are there, exactly once, and the platform recovered in 1.71 s."
    )
    failed = assemble("r", *tape(verdict="failed", lost=37))
    assert words.headline(failed).startswith("Of 92,400 acknowledged items, 37 are lost")
    assert words.reasons(failed)[0] == ("failed", "Gate audit.lost == 0")
    assert "37 lost" in words.truth(failed)


def test_a_planned_test_that_never_reported_is_not_run_and_an_error_for_ci() -> None:
    report = assemble("r", *tape())
    missing = next(test for test in report.tests if test.id == "audit.traces")
    assert missing.outcome == "not_run"
    case = next(
        case
        for case in ElementTree.fromstring(junit.render(report)).iter("testcase")
        if case.get("name") == "audit.traces"
    )
    assert case.find("error") is not None


@pytest.mark.parametrize(
    ("verdict", "tag"), [("passed", None), ("failed", "failure"), ("invalid", "error"), (None, "error")]
)
def test_junit_says_the_verdict_of_the_run_itself(verdict: str | None, tag: str | None) -> None:
    campaign, stages = tape()
    last = next(event for event in campaign if event["type"] == "run.finished")
    last |= {"verdict": verdict, "state": "finished" if verdict else "cancelled"}
    root = ElementTree.fromstring(junit.render(assemble("r", campaign, stages)))
    (case,) = (case for case in root.iter("testcase") if case.get("name") == "verdict")
    assert [child.tag for child in case] == ([tag] if tag else [])


def test_an_outcome_that_junit_does_not_know_is_an_error() -> None:
    campaign, stages = tape()
    event = next(event for events in stages.values() for event in events if event["type"] == "test.finished")
    event["outcome"] = "splendid"
    root = ElementTree.fromstring(junit.render(assemble("r", campaign, stages)))
    assert any(child.get("type") == "splendid" for child in root.iter("error"))


def test_an_audit_that_did_not_pass_never_reads_as_if_all_were_there() -> None:
    for change, said in (({"verdict": "invalid"}, "Nothing is claimed"), ({"verdict": "failed"}, "7 stored though")):
        campaign, stages = tape(verdict=change["verdict"])
        document = next(e for e in stages["audit"] if e["type"] == "ledger")["document"]
        document |= change
        if change["verdict"] == "failed":
            document["signals"]["logs"]["stored_though_rejected"] = 7
        report = assemble("r", campaign, stages)
        assert "exactly once" not in words.headline(report) + words.truth(report)
        assert said in words.truth(report)


def test_without_an_audit_nothing_is_claimed() -> None:
    campaign, stages = tape(verdict="invalid")
    stages["audit"] = [item for item in stages["audit"] if item["type"] != "ledger"]
    report = assemble("r", campaign, stages)
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert "No audit ran, so nothing is claimed" in text
    assert "Nothing is claimed: the run could not be judged." in text
    assert report.audit_sum("lost") is None


def scored(**changes: Any) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """A run with a stage that scored its alerts."""
    due = {
        "kind": "silent", "tenant": "acme", "service": "search", "alert": "ServiceSilent", "from": START, "by": START + 120,
    }  # fmt: skip
    document = {
        "verdict": "failed", "reason": "recall 0.50 is below 0.9", "source": "alerts.list of reference", "expected": 2,
        "detected": 1, "false": 1, "recall": 0.5, "precision": 0.5,
        "anomalies": [
            due | {"name": "search-unheard", "result": "detected", "delay_s": 94.1},
            due | {"name": EVIL, "result": "missed", "delay_s": None},
        ],
        "false_alerts": [{"labels": {"alertname": "Odd", "tenant": EVIL}, "at": START + 3, "reason": "in a quiet window"}],
    }  # fmt: skip
    campaign, stages = tape(verdict="failed")
    event = {"ts": START + 50, "mono_ns": 1, "run": "x", "stage": "score", "seq": 0, "v": 1, "type": "score"}
    stages["score"] = [event | {"document": document | changes}]
    return campaign, stages


def test_alerts_that_were_due_are_told_one_by_one_and_false_ones_with_the_reason() -> None:
    report = assemble("r", *scored())
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert not Page(text).open and "<script>alert" not in text
    assert "1 of 2 alerts came in time, 1 came without a cause: recall 0.500, precision 0.500." in text
    assert "search-unheard" in text and "01:34" in text and "in a quiet window" in text
    short = markdown.render(report)
    assert "| search-unheard | acme | ServiceSilent | 01:34 | detected |" in short and "<script>" not in short
    assert "alerts came" not in render()


def test_alerts_that_name_no_tenant_are_told_since_precision_counts_them() -> None:
    labels = {"alertname": "Watchdog", "severity": EVIL}
    report = assemble("r", *scored(doubtful=1, precision=0.333, doubtful_alerts=[{"labels": labels, "at": START + 3}]))
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert "1 came without a cause, 1 names no tenant: recall 0.500, precision 0.333." in text
    assert "Watchdog" in text and "nobody can say what it was about" in text and "<script>alert" not in text
    assert "1 names no tenant" in markdown.render(report)


def test_alerts_that_could_not_be_read_are_not_told_as_if_they_were() -> None:
    report = assemble("r", *scored(verdict="invalid", reason="the alerts cannot be read"))
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert "Nothing is claimed: the alerts cannot be read." in text and "alerts came" not in text
    campaign, stages = scored()
    source = {"verdict": "invalid", "reason": "no rule sees them", "source": "none"}
    stages["score"][0]["document"] = source
    for made in (page.render(assemble("r", campaign, stages), written_at=START, events_sha256="ab" * 32),
                 markdown.render(assemble("r", campaign, stages))):  # fmt: skip
        assert "Nothing is claimed: no rule sees them." in made


def test_a_fault_without_recovery_is_said_and_shades_the_rest_of_the_run() -> None:
    report = assemble("r", *tape(verdict="failed", recovered=False))
    assert "no recovery was seen" in words.faults(report)
    assert "none seen" in page.render(report, written_at=START, events_sha256="ab" * 32)


def test_latency_is_split_by_the_phases_of_the_faults() -> None:
    report = assemble("r", *tape())
    row = next(row for row in report.operations if row.name == "search.logs")
    assert row.total.count == 42 * 12
    assert set(row.phases) == {"before", "fault", "after"}
    assert sum(part.count for part in row.phases.values()) == row.total.count
    assert row.phases["fault"].quantile(0.5) > 1.5 * row.phases["before"].quantile(0.5)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [(0, 60, "before")]),
        ([(10, 12)], [(0, 10, "before"), (10, 12, "fault"), (12, 60, "after")]),
        ([(10, 20), (15, 30)], [(0, 10, "before"), (10, 30, "fault"), (30, 60, "after")]),
        (
            [(10, 12), (40, 41)],
            [(0, 10, "before"), (10, 12, "fault"), (12, 40, "after"), (40, 41, "fault"), (41, 60, "after")],
        ),
        ([(10, None)], [(0, 10, "before"), (10, 60, "fault")]),
    ],
)
def test_phases_cover_the_run_without_overlap(spans: list[tuple[float, float | None]], expected: list[Any]) -> None:
    faults = [
        Fault(i, str(i), "s", "kill", "x", "", a, b, "runner", None, b, None, None) for i, (a, b) in enumerate(spans, 1)
    ]
    assert phase_windows(faults, 60) == expected


def test_service_writes_every_format_and_replaces_a_document_whole(tmp_path: Path) -> None:
    home = Home(tmp_path)
    run = write_run(home)
    paths = service.write(home, run)
    assert [path.name for path in paths] == ["report.html", "summary.md", "junit.xml", "report.json"]
    assert json.loads(paths[3].read_text())["campaign"] == "smoke"
    before = time.time_ns()
    service.write(home, run, ["html"], tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "report.html").stat().st_mtime_ns >= before - 10**9
    assert not list(tmp_path.rglob(".*.html.*"))


def test_service_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(UsageError, match="unknown report format 'htm'"):
        service.write(home, write_run(home), ["htm"])
    with pytest.raises(FileError, match="no events"):
        service.write(home, "absent")


def test_page_stays_within_its_size() -> None:
    assert len(render().encode()) <= 150_000


def sent_alone() -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """What `data generate` tells: one stage that writes telemetry, and nothing beside it."""
    campaign, stages = tape()
    first, last = campaign[0], campaign[-1]
    first |= {"campaign": "data generate smoke", "plan": ["telemetry"], "stages": first["stages"][:1], "gates": []}
    kept = [item for item in campaign[1:-1] if item.get("stage_name") == "telemetry"]
    told = {
        "type": "ledger",
        "kind": "sent",
        "ts": START + 42,
        "sent": 94_080,
        "acked": 94_080,
        "rejected": 0,
        "unknown": 0,
    }
    return [first, *kept, last], {"telemetry": [*stages["telemetry"], told]}  # fmt: skip


def test_the_report_of_what_was_only_sent_says_how_much_and_claims_nothing_more() -> None:
    campaign, stages = sent_alone()
    report = assemble("0199aaaa", campaign, stages)
    assert words.headline(report) == "All 94,080 items that were sent are acknowledged."
    assert words.reasons(report)[-1] == ("not_run", words.truth(report)), "no tick before what did not happen"
    assert [verdict for verdict, text in words.reasons(report) if "No " in text] == ["not_run"]
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert "testbed data audit 0199aaaa" in text
    assert "94,080</b> <i>sent" in text
    assert f">{42 * 500:,}<" in text, "the time line has the figures of each signal"
    stages["telemetry"][-1]["acked"] -= 1
    assert "acknowledged" not in words.headline(assemble("r", campaign, stages))


def test_doing_it_again_is_the_command_that_was_given() -> None:
    campaign, stages = sent_alone()
    command = "testbed data generate smoke --duration 40s --env local"
    campaign[0]["command"] = command
    text = page.render(assemble("r", campaign, stages), written_at=START, events_sha256="ab" * 32)
    assert command in text and "testbed run" not in text
    assert "testbed run smoke --env local --set seed=42" in render()


@pytest.mark.parametrize("state", ["lost", "cancelled"])
def test_a_run_that_was_interrupted_says_so_once_and_how_to_take_it_up_again(state: str) -> None:
    campaign, stages = sent_alone()
    stages["telemetry"].pop()  # it did not come to tell what it had sent
    why = "killed by signal 9" if state == "lost" else "cancelled"
    end = {"state": state, "verdict": "invalid" if state == "lost" else None, "reason": why}
    next(item for item in campaign if item["type"] == "stage.finished").update(end)
    campaign[-1] |= {"verdict": end["verdict"], "reason": f"not assessed: stage telemetry: {state}"}
    report = assemble("0199aaaa", campaign, stages)
    said = [text for _, text in words.reasons(report)]
    assert said == ["Stage telemetry lost: killed by signal 9" if state == "lost" else "Stage telemetry cancelled"]
    assert "testbed data resume 0199aaaa" in page.render(report, written_at=START, events_sha256="ab" * 32)


def test_a_stage_does_not_say_twice_that_it_failed() -> None:
    campaign, stages = tape(verdict="failed", lost=3)
    end = next(item for item in campaign if item["type"] == "stage.finished" and item["stage_name"] == "audit")
    end["reason"] = "failed: audit.logs"
    assert ("failed", "Stage audit failed: audit.logs") in words.reasons(assemble("r", campaign, stages))
