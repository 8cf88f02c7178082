"""JUnit XML as CI systems read it: a suite per stage with the stage's own verdict, one for the gates, one for the run.

What could not be assessed is an `<error>`, never a pass: readers of JUnit know no third value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from runners.lib.text import plain
from runners.report.model import Report

# Characters that XML 1.0 does not allow at all, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _clean(text: object) -> str:
    return _FORBIDDEN.sub("\ufffd", plain(str(text)))


def render(report: Report) -> str:
    root = ElementTree.Element("testsuites", name=_clean(f"testbed {report.campaign}"), time=f"{report.duration_s:.3f}")
    for stage in report.stages:
        cases = [
            (test.id, test.outcome, test.message, test.duration_ms) for test in report.tests if test.stage == stage.name
        ]
        cases.append(("stage", stage.verdict or "invalid", stage.reason or f"state {stage.state}", None))
        _suite(root, report, stage.name, cases)
    if report.gates:
        _suite(
            root,
            report,
            "gates",
            [(gate.expr, gate.verdict, gate.reason or f"value {gate.value}", None) for gate in report.gates],
        )
    _suite(
        root, report, "campaign",
        [("verdict", report.verdict or "invalid", report.reason or f"state {report.state}", None)],
    )  # fmt: skip
    totals = {"tests": len(root.findall(".//testcase"))} | {
        name: len(root.findall(f".//{tag}"))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    for name, number in totals.items():
        root.set(name, str(number))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    root: ElementTree.Element, report: Report, name: str, cases: list[tuple[str, str, str | None, float | None]]
) -> None:
    suite = ElementTree.SubElement(
        root, "testsuite", name=_clean(name), hostname=_clean(report.environment), tests=str(len(cases)),
        timestamp=datetime.fromtimestamp(report.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        failures=str(sum(case[1] == "failed" for case in cases)),
        errors=str(sum(case[1] not in ("passed", "failed", "skipped") for case in cases)),
        skipped=str(sum(case[1] == "skipped" for case in cases)),
        time=f"{sum(case[3] or 0.0 for case in cases) / 1000:.3f}",
    )  # fmt: skip
    for identity, outcome, message, duration in cases:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_clean(identity),
            classname=_clean(f"{report.campaign}.{name}"),
            time=f"{(duration or 0) / 1000:.3f}",
        )
        tag = {"passed": None, "failed": "failure", "skipped": "skipped"}.get(outcome, "error")
        if tag is not None:
            text = _clean(message or outcome.replace("_", " "))
            ElementTree.SubElement(case, tag, message=text, type=outcome).text = text
