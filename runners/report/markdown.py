"""The summary for a pull request or a CI step: verdict, reasons, numbers; nothing that needs a click."""

from __future__ import annotations

from runners.lib.text import one_line
from runners.report import alerts, words
from runners.report.model import ITEM_NAMES, SIGNALS, Report

_SIGNS = {"passed": "✅", "failed": "❌", "invalid": "⚠️", "not_run": "➖", None: "⏹️"}


def _cell(text: object) -> str:
    line = one_line(str(text), 300)
    return line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")


def render(report: Report) -> str:
    lines = [
        f"## {_SIGNS[report.verdict]} {words.TITLES[report.verdict]}: {_cell(report.campaign)} on {_cell(report.environment)}", "",
        f"**{_cell(words.headline(report))}**", "",
        *(f"- {_SIGNS.get(verdict, '⚠️')} {_cell(text)}" for verdict, text in words.reasons(report)), "",
        f"{words.basis(report)} Run `{report.run}`, {words.stamp(report.started_at)}, took {words.seconds(report.duration_s)}"
        f"{', defects on: ' + ', '.join(report.defects) if report.defects else ''}.",
    ]  # fmt: skip
    if report.audit is not None:
        names = ("sent", "acked", "found", "lost", "duplicated", "leaked", "corrupt")
        lines += ["", "| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
        for signal in SIGNALS:
            if counts := report.audit["signals"].get(signal):
                values = ["n/a" if counts.get(name) is None else f"{counts[name]:,}" for name in names]
                lines.append(f"| {ITEM_NAMES[signal]} | " + " | ".join(values) + " |")
    if report.score is not None:
        lines += ["", _cell(alerts.finding(report.score))]
        if due := alerts.summary(report.score):
            lines += ["", "| what went wrong | tenant | alert | after | result |", "|---|---|---|---:|---|"]
            lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in due]
    if report.faults:
        lines += ["", "| fault | effect | felt after | recovered after | reverted by |", "|---|---|---:|---:|---|"]
        lines += [
            f"| {_cell(fault.name)} | {_cell(fault.effect)} | {words.seconds(fault.time_to_detect_s)} | "
            f"{words.seconds(fault.time_to_recover_s)} | {_cell(fault.by or '–')} |"
            for fault in report.faults
        ]
    if report.operations:
        lines += ["", "| operation | requests | errors | p50 | p95 | p99 |", "|---|---:|---:|---:|---:|---:|"]
        lines += [
            f"| {_cell(row.name)} | {row.total.count:,} | {row.total.errors:,} | "
            + " | ".join(words.seconds(row.total.quantile(q)) for q in (0.5, 0.95, 0.99)) + " |"
            for row in report.operations
        ]  # fmt: skip
    if report.gates:
        lines += ["", "| gate | verdict | value |", "|---|---|---:|"]
        lines += [
            f"| `{_cell(gate.expr)}` | {gate.verdict} | {_cell('–' if gate.value is None else gate.value)} |"
            for gate in report.gates
        ]
    return "\n".join(lines) + "\n"
