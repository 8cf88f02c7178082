"""Reports say what the events say: by rule, escaped, and never greener than the run."""

from __future__ import annotations

import json
import random
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest

from runners.events import Event
from runners.lib.errors import FileError, UsageError
from runners.lib.histogram import Histogram
from runners.lib.home import Home
from runners.report import junit, markdown, page, service, words
from runners.report.collect import assemble, phase_windows
from runners.report.model import Fault

START = 1_790_000_000.0
EVIL = "<script>alert(1)</script>\x1b]0;owned\x07\x1b[31m\"'&\u202e"


def event(at: float, type_: str, **fields: Any) -> Event:
    return {"v": 1, "ts": START + at, "mono_ns": int(at * 1e9), "type": type_, **fields}


def audit(lost: int = 0) -> dict[str, Any]:
    def counts(n: int, lost: int = 0) -> dict[str, Any]:
        return {
            "sent": n, "acked": n, "rejected": 0, "unknown": 0, "found": n - lost, "lost": lost, "duplicated": 0,
            "duplicated_by_retry": 0, "leaked": 0, "corrupt": 0, "forged": 0, "not_observable": 0,
        }  # fmt: skip

    tenants = {
        tenant: {
            "signals": {
                "logs": counts(7000, lost if tenant == "acme" else 0),
                "traces": counts(6800),
                "metrics": counts(17_000),
            }
        }
        for tenant in ("acme", "globex", "initech")
    }
    signals = {
        signal: {key: sum(t["signals"][signal][key] for t in tenants.values()) for key in counts(0)}
        for signal in ("logs", "traces", "metrics")
    }
    gaps = (
        [
            {
                "signal": "logs",
                "tenant": "acme",
                "from": START + 17,
                "to": START + 18,
                "items": lost,
                "fault": "kill ingest",
            }
        ]
        if lost
        else []
    )
    return {"verdict": "failed" if lost else "passed", "signals": signals, "tenants": tenants, "gaps": gaps}


def tape(
    verdict: str | None = "passed", *, lost: int = 0, recovered: bool = True, text: str = ""
) -> tuple[list[Event], dict[str, list[Event]]]:
    """A smoke as its suites would tell it: 62 s, a crash of ingest at 16 s, users beside it."""
    rng = random.Random(7)
    plan = ["telemetry", "users", "crash", "audit"]
    suites = {"telemetry": "data", "users": "load", "crash": "chaos", "audit": "data"}
    begin = {"telemetry": 0.3, "users": 1.1, "crash": 15.4, "audit": 43.0}
    end = {"telemetry": 42.5, "users": 42.9, "crash": 24.0, "audit": 61.0}
    campaign = [
        event(0, "run.started", plan=plan, campaign="smoke" + text, environment="local", seed=42, commit="0f3c2d1", defects=[],
              config={"seed": {"value": 42, "source": "campaign: smoke.yaml:5"}},
              services=[{"name": "ingest", "state": "running", "health": "healthy", "implementation": "reference", "version": "0.1.0", "port": 4318}],
              stages=[{"name": name, "suite": suites[name], "run": name} for name in plan], gates=["audit.lost == 0"])
    ]  # fmt: skip
    campaign += [event(begin[name], "stage.starting", stage_name=name, run_id=name) for name in plan]
    verdicts = dict.fromkeys(plan, "passed") | {"audit": "failed" if lost else "passed"}
    campaign += [
        event(
            end[name],
            "stage.finished",
            stage_name=name,
            run_id=name,
            state="finished",
            verdict=verdicts[name],
            reason=text or None,
        )
        for name in plan
    ]
    gate = {
        "expr": "audit.lost == 0" + text,
        "verdict": "failed" if lost else "passed",
        "value": lost,
        "reason": text or None,
    }
    campaign += [
        event(61.2, "gate", **gate),
        event(61.5, "run.finished", state="finished" if verdict else "cancelled", verdict=verdict, reason=None),
    ]
    data = [event(0.5, "run.started", plan=["deliver.logs"])]
    load = [event(1.3, "run.started", plan=["browse.search.logs" + text])]
    probe = [event(15.5, "run.started", plan=["recovery"])]
    for second in range(1, 43):
        down = 16 <= second < 18
        many = []
        for signal, rate in (("logs", 500), ("traces", 490), ("metrics", 1250)):
            acked = 0 if down else rate * (3 if second == 18 else 1)
            many += [{"series": f"data.sent{{signal={signal}}}", "t": [START + second], "v": [rate]},
                     {"series": f"data.acked{{signal={signal}}}", "t": [START + second], "v": [acked]}]  # fmt: skip
        data.append(event(second, "metric.points", many=many))
        many = []
        for name, middle in (
            ("search.logs", 0.012),
            ("search.traces", 0.02),
            ("traces.get", 0.006),
            ("auth.login", 0.05),
        ):
            histogram = Histogram()
            for _ in range(12):
                histogram.record(
                    rng.lognormvariate(0, 0.5) * middle * (2 if down else 1), error=down and rng.random() < 0.02
                )
            many.append({"series": f"{name}{{tenant=acme}}", "t": [START + second], "v": [histogram.to_json()]})
        load.append(event(second, "metric.points", many=many))
        if 14 <= second < 24:
            ticks = [second + i / 20 for i in range(20)]
            ok = [0 if 16.05 <= t < 17.7 else 1 for t in ticks]
            probe.append(
                event(
                    second + 1,
                    "metric.points",
                    many=[{"series": "probe.write", "t": [START + t for t in ticks], "v": ok}],
                )
            )
    data.append(event(42, "test.finished", id="deliver.logs", outcome="passed", attempt=1, duration_ms=41_000))
    load.append(
        event(
            42,
            "test.finished",
            id="browse.search.logs" + text,
            outcome="passed",
            attempt=1,
            duration_ms=40_000,
            message=text,
        )
    )
    probe += [event(16, "fault.injected", id="f1", fault="kill" + text, target="ingest", effect="pid 4711 is gone" + text, injected_at=START + 16, ttl_s=20),
              event(17.7, "fault.reverted", id="f1", fault="kill", target="ingest", by="runner", reverted_at=START + 17.7)]  # fmt: skip
    if recovered:
        probe.append(
            event(
                20,
                "recovery",
                id="f1",
                time_to_detect_s=0.06,
                time_to_recover_s=1.71,
                detected_at=START + 16.06,
                recovered_at=START + 17.71,
            )
        )
    probe.append(event(23, "test.finished", id="recovery", outcome="passed", attempt=1, duration_ms=8000))
    judge = [event(43.2, "run.started", plan=["audit.logs", "audit.traces"]), event(60.8, "ledger", kind="audit", document=audit(lost)),
             event(60.9, "test.finished", id="audit.logs", outcome="failed" if lost else "passed", attempt=1, duration_ms=900)]  # fmt: skip
    return campaign, {"telemetry": data, "users": load, "crash": probe, "audit": judge}


def write_run(home: Home, **options: Any) -> str:
    campaign, stages = tape(**options)
    for name, events in (("campaign-run", campaign), *stages.items()):
        home.run(name).mkdir(parents=True)
        (home.run(name) / "events.jsonl").write_text("".join(json.dumps(item) + "\n" for item in events))
    return "campaign-run"


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


def test_without_an_audit_nothing_is_claimed() -> None:
    campaign, stages = tape(verdict="invalid")
    stages["audit"] = [item for item in stages["audit"] if item["type"] != "ledger"]
    report = assemble("r", campaign, stages)
    text = page.render(report, written_at=START, events_sha256="ab" * 32)
    assert "No audit ran, so nothing is claimed" in text
    assert "Nothing is claimed: the run could not be judged." in text
    assert report.audit_sum("lost") is None


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
