"""The HTML report: one file, no network, light and dark, readable without script."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path

from runners.lib.units import format_count, format_duration
from runners.report import alerts, words
from runners.report.model import ITEM_NAMES, SIGNALS, Report
from runners.report.svg import GLYPHS, count, glyph, kind, not_assessed, number_link, safe, table
from runners.report.timeline import definitions, draw, verdict_sign

FORMAT = 1
_HUES = {"pass": "#0a6a4c", "fail": "#ad2117", "inv": "#643a9b", "none": "#626c77"}
_BODY = {"passed": "v-passed", "failed": "v-failed"}


@functools.cache
def _asset(name: str) -> str:
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).strip() if name.endswith(".css") else text


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def render(report: Report, *, written_at: float, events_sha256: str) -> str:
    """The page. written_at: Unix seconds; events_sha256: of the campaign's event file, so that the page can be traced."""
    css, script = _asset("page.css"), _asset("page.js")
    mark = kind(report.verdict)
    sections = [
        ("timeline", "Time line", _timeline_finding(report), draw(report), None),
        ("truth", "Ground truth", words.truth(report), _truth(report), _wrong(report)),
        ("gates", "Gates", words.gates(report), _gates(report), _worst([gate.verdict for gate in report.gates])),
        ("latency", "Latency", words.latency(report), _latency(report), None),
        ("faults", "Faults", words.faults(report), _faults(report), None),
        ("tests", "Tests", words.tests(report), _tests(report), _worst([test.outcome for test in report.tests])),
        ("stages", "Stages", _stages_finding(report), _stages(report), _worst([s.verdict or "invalid" for s in report.stages])),
        ("environment", "Environment", _environment_finding(report), _environment(report), None),
    ]  # fmt: skip
    if report.score is not None:
        found = alerts.finding(report.score), alerts.section(report.score)
        sections.insert(2, ("alerts", "Alerts", *found, _worst([report.score["verdict"]])))
    nav = "".join(
        f'<li><a href="#{identity}">{title}{" " + glyph(flag) if flag else ""}</a></li>'
        for identity, title, _, _, flag in sections
    )
    body = "".join(
        f'<section id="{identity}" aria-labelledby="h-{identity}"><div class="h"><h2 id="h-{identity}">{title}</h2>'
        f"<p>{safe(finding)}</p></div>{content}</section>"
        for identity, title, finding, content, _ in sections
    )
    policy = f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(script)}; img-src data:; base-uri 'none'; form-action 'none'"
    title = words.TITLES[report.verdict]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{title}: {safe(report.campaign)} · {safe(report.run[:8])} · ObservaStack Testbed</title>"
        f'<link rel="icon" href="{_icon(mark)}"><style>{css}</style></head>\n'
        f'<body class="{_BODY.get(report.verdict or "", "v-invalid")}"><a class="skip" href="#main">Skip to the report</a>'
        f'<svg width="0" height="0" aria-hidden="true" class="vh"><defs>{_symbols()}{definitions(report)}{_PATTERNS}</defs></svg>'
        f'<div class="bar" role="banner"><div class="w"><b class="{mark}">{glyph(mark, word=False)}{title} <span class="s">{safe(report.campaign)}</span></b>'
        f'<nav aria-label="Sections"><ul>{nav}</ul></nav><button id="theme" hidden>Theme: auto</button></div></div>\n'
        f'<main id="main" class="w">{_header(report, mark, title)}\n{body}</main>\n'
        f'<footer class="w"><p>ObservaStack Testbed · report format {FORMAT} · written {words.stamp(written_at)} from <code>events.jsonl</code> '
        f"(sha256 {events_sha256[:16]}…) · one file, no network.</p></footer><script>{script}</script></body></html>\n"
    )


_PATTERNS = (
    '<pattern id="hz" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" class="br"/>'
    '<path d="M0 0v5" stroke-width="3" class="hzp"/></pattern>'
    '<pattern id="hv" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0v6" stroke-width="2" class="hvp"/></pattern>'
)


def _symbols() -> str:
    return "".join(f'<symbol id="g-{name}" viewBox="0 0 24 24">{shape}</symbol>' for name, shape in GLYPHS.items())


def _icon(mark: str) -> str:
    image = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='{_HUES[mark]}' stroke-width='2.6'>{GLYPHS[mark]}</svg>"
    quoted = image.replace('"', "'").replace("#", "%23").replace("<", "%3C").replace(">", "%3E")
    return "data:image/svg+xml," + quoted


def _worst(verdicts: list[str]) -> str | None:
    """The sign beside a section's name; none when everything passed."""
    if any(verdict == "failed" for verdict in verdicts):
        return "fail"
    return "inv" if any(verdict not in ("passed", "skipped") for verdict in verdicts) else None


def _wrong(report: Report) -> str | None:
    if report.audit is None or report.audit["verdict"] == "invalid":
        return "inv"
    return "fail" if report.audit["verdict"] == "failed" else None


def _header(report: Report, mark: str, title: str) -> str:
    why = "".join(f"<li>{glyph(kind(verdict))}{safe(text)}</li>" for verdict, text in words.reasons(report)[:6])
    hidden = len(words.reasons(report)) - 6
    if hidden > 0:
        why += f"<li>{glyph('inv', word=False)}and {hidden} more: see the sections below</li>"
    facts = [
        ("Run", f"<code>{safe(report.run)}</code>"),
        ("Campaign", safe(report.campaign)),
        ("Environment", safe(report.environment)),
        ("Started", words.stamp(report.started_at)),
        ("Took", format_duration(report.duration_s)),
        ("Seed", safe(report.seed)),
        ("Commit", f"<code>{safe((report.commit or '–')[:12])}</code>"),
        ("Defects on", safe(", ".join(report.defects) or "none")),
    ]
    cells = "".join(
        f'<div><dt>{label}</dt><dd class="n">{value}</dd><dd class="c">{context}</dd></div>'
        for label, value, context in _numbers(report)
    )
    return (
        f'<header><div class="top"><div><p class="vd">{glyph(mark, word=False)}{title}</p><h1>{safe(words.headline(report))}</h1>'
        f'<ul class="why">{why}</ul></div><dl class="facts">{"".join(f"<dt>{a}</dt><dd>{b}</dd>" for a, b in facts)}</dl></div>'
        f'<dl class="kp">{cells}</dl><div class="claim"><span>{safe(words.basis(report))}</span></div></header>'
    )


def _numbers(report: Report) -> list[tuple[str, str, str]]:
    """Four numbers, each with what it is held against."""

    def small(text: str) -> str:
        number, _, unit = text.partition(" ")
        return f"{number} <small>{unit}</small>" if unit else number

    lost, acked = report.audit_sum("lost"), report.audit_sum("acked")
    unknown = '<span class="hat">not known</span>'
    first = (
        ("Acknowledged items lost", unknown, "no audit could judge")
        if lost is None
        else (
            "Acknowledged items lost",
            (f'{glyph("fail")}<span class="fail">' if lost else f"{glyph('pass')}<span>")
            + f"{format_count(lost)}</span>",
            f"of {format_count(acked or 0)} acknowledged",
        )
    )
    recoveries = [fault.time_to_recover_s for fault in report.faults]
    if not recoveries:
        second = ("Slowest recovery", '<span class="z">–</span>', "no fault was injected")
    elif any(value is None for value in recoveries):
        second = (
            "Slowest recovery",
            f'{glyph("fail")}<span class="fail">none seen</span>',
            "writes did not succeed again",
        )
    else:
        worst = max(value for value in recoveries if value is not None)
        detect = [fault.time_to_detect_s for fault in report.faults if fault.time_to_detect_s is not None]
        felt = f"felt after {format_duration(max(detect))}" if detect else "no write failed"
        second = ("Slowest recovery", small(format_duration(worst)), f"{felt}, by a write every 50 ms")
    search = [row for row in report.operations if "search" in row.name.split(".")]
    merged = [row.total.quantile(0.95) for row in search]
    worst_search = max((value for value in merged if value is not None), default=None)
    total = sum(row.total.count for row in report.operations)
    third = (
        ("Search, p95", unknown, "no search was made")
        if worst_search is None
        else (
            "Search, p95",
            small(format_duration(worst_search)),
            f"of {format_count(total)} requests in all, {format_count(sum(row.total.errors for row in report.operations))} failed",
        )
    )
    counts = report.test_counts()
    fourth = ("Tests passed", f"{counts['passed']} <small>of {counts['planned']}</small>", "announced by the stages")
    return [first, second, third, fourth]


def _timeline_finding(report: Report) -> str:
    if not report.faults:
        return f"{format_duration(report.duration_s)} without a fault."
    parts = []
    for fault in report.faults:
        end = "has not recovered" if fault.recovered is None else f"was over at +{fault.recovered:.1f} s"
        parts.append(f"{fault.name} at +{fault.injected:.1f} s {end}")
    return "; ".join(parts) + "."


def _truth(report: Report) -> str:
    if report.audit is None:
        return not_assessed("No audit of what was written took place in this run.") + _unaudited(report)
    sums = {name: report.audit_sum(name) for name in ("sent", "acked", "rejected", "unknown", "found", "lost")}

    def bold(name: str) -> str:
        return f"<b>{'?' if sums[name] is None else format(sums[name], ',')}</b> <i>{name}</i>"

    text = (
        f'<p class="eq">{bold("sent")} = {bold("acked")} + {bold("rejected")} + {bold("unknown")} '
        f"<i>·</i> {bold('found')} <i>when read back,</i> {bold('lost')}</p>"
    )
    names = ("sent", "acked", "rejected", "unknown", "found", "lost", "duplicated", "leaked", "corrupt", "forged")
    bad = {"lost", "duplicated", "leaked", "corrupt", "forged"}
    rows = []
    for tenant, signals in _tenants(report.audit):
        for signal in SIGNALS:
            if counts := signals.get(signal):
                cells = [count(counts.get(name), bad=name in bad) for name in names]
                rows.append([f"{safe(tenant)} <span class='s'>{ITEM_NAMES[signal]}</span>", *cells])
    total = [count(report.audit_sum(name), bad=name in bad) for name in names]
    rows.append(["all", *total])
    text += table("Ground truth by tenant and signal", ["Tenant and signal", *names], rows, numeric=range(1, 11))
    gaps = report.audit.get("gaps", [])
    if gaps:
        items = [
            [
                f"{safe(gap['tenant'])} {safe(ITEM_NAMES.get(gap['signal'], gap['signal']))}", f"{gap['items']:,}",
                words.clock(float(gap["from"])), words.clock(float(gap["to"])), safe(gap.get("why") or gap.get("fault") or "no cause known"),
            ]
            for gap in gaps[:40]
        ]  # fmt: skip
        text += "<h3>Where the lost items were sent</h3>" + table(
            "Gaps", ["Whose", "items", "from", "to", "why"], items, numeric=(1,)
        )
        if len(gaps) > 40:
            text += f'<p class="note">{len(gaps) - 40} more in the JSON export.</p>'
    return text + (
        '<p class="note">An item counts as lost when its request was acknowledged and it cannot be read back; as duplicated when it is there more '
        "than once although the platform honours idempotency keys; as leaked when another tenant can read it. Requests without an answer are unknown: "
        "their items may be there or not.</p>"
    )


def _unaudited(report: Report) -> str:
    """What became of the items as far as the sender knows, and how to learn the rest."""
    if report.sent is None and not any(name.startswith("sent.") for name in report.series):
        return ""
    text = ""
    if report.sent is not None:
        counted = " + ".join(f"<b>{report.sent[name]:,}</b> <i>{name}</i>" for name in ("acked", "rejected", "unknown"))
        text = f'<p class="eq"><b>{report.sent["sent"]:,}</b> <i>sent</i> = {counted}</p>'
    if any(stage.suite == "data" and stage.state in ("lost", "cancelled") for stage in report.stages):
        text += f'<p class="note">To take it up again: <code>testbed data resume {safe(report.run)}</code></p>'
    return text + f'<p class="note">To know what is there: <code>testbed data audit {safe(report.run)}</code></p>'


def _tenants(audit: dict[str, object]) -> list[tuple[str, dict[str, dict[str, int]]]]:
    tenants = audit.get("tenants") or {}
    items = tenants.items() if isinstance(tenants, dict) else ((item["tenant"], item) for item in tenants)  # type: ignore[attr-defined]
    return [(str(name), value.get("signals", value)) for name, value in items]


def _gates(report: Report) -> str:
    if not report.gates:
        return '<p class="note">Nothing was asked of the run as a whole.</p>'
    order = {"failed": 0, "invalid": 1}
    rows = [
        [verdict_sign(gate.verdict), f"<code>{safe(gate.expr)}</code>", _value(gate.value), safe(gate.reason or "")]
        for gate in sorted(report.gates, key=lambda gate: order.get(gate.verdict, 2))
    ]
    return table("Gates", ["Verdict", "Rule", "Value", "Why"], rows)


def _value(value: object) -> str:
    if value is None:
        return '<span class="hat">no value</span>'
    return safe(f"{value:.4g}" if isinstance(value, float) else value)


def _latency(report: Report) -> str:
    if not report.operations:
        return '<p class="note">No load stage took part in this run, so nothing is claimed about latency.</p>'
    rows = []
    for row in report.operations:
        phases = [row.phases.get(name) for name in ("before", "fault", "after")]
        rows.append(
            [
                f"{safe(row.name)} <span class='s'>{safe(row.stage)}</span>", f"{row.total.count:,}", count(row.total.errors, bad=True),
                *(words.seconds(row.total.quantile(q)) for q in (0.5, 0.95, 0.99)), words.seconds(row.total.maximum if row.total.count else None),
                *(words.seconds(part.quantile(0.95)) if part and part.count else '<span class="z">–</span>' for part in phases),
            ]
        )  # fmt: skip
    heads = ["Operation", "requests", "errors", "p50", "p95", "p99", "max", "p95 before", "during fault", "after"]
    return table("Latency by operation", heads, rows, numeric=range(1, 10))


def _faults(report: Report) -> str:
    if not report.faults:
        return '<p class="note">No chaos stage took part in this run, so nothing is claimed about faults.</p>'
    rows = [
        [
            f"{number_link(fault.number, fault.injected)} {safe(fault.name)}", f"+{fault.injected:.2f} s",
            "–" if fault.reverted is None else f"+{fault.reverted:.2f} s", safe(fault.by or "–"), safe(fault.effect),
            words.seconds(fault.time_to_detect_s) if fault.time_to_detect_s is not None else "no write failed",
            "<span class='bad'>not seen</span>" if fault.time_to_recover_s is None else words.seconds(fault.time_to_recover_s),
        ]
        for fault in report.faults
    ]  # fmt: skip
    heads = ["Fault", "injected", "reverted", "by", "effect, proved", "felt after", "recovered after"]
    return table("Faults", heads, rows) + (
        '<p class="note">Felt and recovered are seen by an independent write every 50 ms, not by what the service says of itself.</p>'
    )


def _tests(report: Report) -> str:
    if not report.tests:
        return not_assessed("No stage announced a test.")
    order = {"failed": 0, "invalid": 1, "not_run": 2, "skipped": 3}
    rows = [
        [verdict_sign(test.outcome), f"<code>{safe(test.stage)}</code>", f"<code>{safe(test.id)}</code>",
         "–" if test.duration_ms is None else format_duration(float(test.duration_ms) / 1000), safe(test.message or "")]
        for test in sorted(report.tests, key=lambda test: order.get(test.outcome, 4))
    ]  # fmt: skip
    text = table("Tests", ["Outcome", "Stage", "Test", "took", "message"], rows[:200], numeric=(3,))
    return text + (f'<p class="note">{len(rows) - 200} more in the JSON export.</p>' if len(rows) > 200 else "")


def _stages_finding(report: Report) -> str:
    passed = sum(stage.verdict == "passed" for stage in report.stages)
    return f"{passed} of {words.plural(len(report.stages), 'stage')} passed."


def _stages(report: Report) -> str:
    rows = [
        [f"<b>{safe(stage.name)}</b>", safe(stage.suite), verdict_sign(stage.verdict), safe(stage.state),
         "–" if stage.begin is None or stage.end is None else format_duration(stage.end - stage.begin), safe(stage.reason or "")]
        for stage in report.stages
    ]  # fmt: skip
    text = table("Stages", ["Stage", "suite", "verdict", "state", "took", "reason"], rows, numeric=(4,))
    if report.problems:
        lines = "\n".join(safe(line) for line in report.problems[:60])
        text += f'<details class="tab"><summary>Warnings and errors that the stages logged ({len(report.problems)})</summary><pre tabindex="0">{lines}</pre></details>'
    return text


def _environment_finding(report: Report) -> str:
    if report.defects:
        return f"Known defects were switched on: {', '.join(report.defects)}."
    return f"Environment {report.environment}, no defect switched on."


def _environment(report: Report) -> str:
    text = ""
    if report.services:
        rows = [
            [f"<b>{safe(item.get('name'))}</b>", safe(item.get("implementation") or "–"), safe(item.get("version") or "–"),
             safe(item.get("port") or "–")]
            for item in report.services
        ]  # fmt: skip
        text += table("Services", ["Service", "kind", "version", "port"], rows, numeric=(3,))
    if report.config:
        rows = [
            [f"<code>{safe(key)}</code>", f"<code>{safe(item.get('value') if isinstance(item, dict) else item)}</code>",
             safe(item.get("source", "") if isinstance(item, dict) else "")]
            for key, item in report.config.items()
        ]  # fmt: skip
        text += "<h3>Configuration</h3>" + table("Configuration", ["Key", "value", "source"], rows)
    again = report.command or f"testbed run {report.campaign} --env {report.environment} --set seed={report.seed}"
    return text + (
        f'<h3>Do it again</h3><div class="cmd"><pre tabindex="0">{safe(again)}</pre><button hidden>Copy</button></div>'
    )
