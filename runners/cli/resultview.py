"""A recorded run as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from runners.lib.text import one_line
from runners.lib.units import format_count, format_duration


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns; the last is not padded."""
    safe = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in safe) for at in range(len(safe[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in safe
    )


def moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def seconds(value: float | None) -> str:
    return "" if value is None else format_duration(value)


def run_text(show: dict[str, Any]) -> str:
    """The sections of `results show`; what a run does not have is left out."""
    tests = show["tests"]
    head = [
        f"run {show['run']}: {show['verdict'] or show['state']}" + (f" — {one_line(show['reason'])}" if show["reason"] else ""),
        f"{show['campaign']} on {show['environment']}, {moment(show['started_at'])}, took {seconds(show['duration_s'])}, "
        f"{tests['passed']} of {tests['planned']} tests passed, {tests['failed']} failed, {tests['not_run']} not run",
    ]  # fmt: skip
    if show["malformed_events"]:
        head.append(f"{show['malformed_events']} events could not be read as the protocol says")
    sections = [_stages(show), _gates(show), _audit(show), _faults(show), _metrics(show), _artifacts(show)]
    return "\n\n".join(["\n".join(head), *(section for section in sections if section)])


def _stages(show: dict[str, Any]) -> str:
    rows = [["STAGE", "SUITE", "STATE", "VERDICT", "TOOK", "REASON"]]
    rows += [
        [str(s["name"]), s["suite"] or "", s["state"], s["verdict"] or "–", seconds(s["duration_s"]), s["reason"] or ""]
        for s in show["stages"]
    ]
    return columns(rows) if show["stages"] else ""


def _gates(show: dict[str, Any]) -> str:
    rows = [["GATE", "VERDICT", "WHY"]]
    rows += [[gate["expr"], gate.get("verdict") or "–", gate.get("reason") or ""] for gate in show["gates"]]
    return columns(rows) if show["gates"] else ""


def _audit(show: dict[str, Any]) -> str:
    audit = show["ledger"]
    signals = audit.get("signals") if audit else None
    if not isinstance(signals, dict) or not signals:
        return ""
    names = ["sent", "acked", "found", "lost", "duplicated", "leaked", "corrupt", "unknown"]
    rows = [["AUDIT", *(name.upper() for name in names)]]
    for signal, counts in signals.items():
        values = [counts.get(name) for name in names]
        rows.append([signal, *("?" if value is None else format_count(value) for value in values)])
    return columns(rows)


def _faults(show: dict[str, Any]) -> str:
    rows = [["FAULT", "TARGET", "INJECTED", "REVERTED BY", "DETECTED", "RECOVERED"]]
    for fault in show["faults"]:
        rows.append(
            [
                fault["fault"] or "?", fault["target"] or "?", moment(fault["injected_at"]) or fault["failed_reason"] or "",
                fault["reverted_by"] or ("" if fault["reverted_at"] else "not reverted"),
                seconds(fault["time_to_detect_s"]) or "?", seconds(fault["time_to_recover_s"]) or "?",
            ]
        )  # fmt: skip
    return columns(rows) if show["faults"] else ""


def _metrics(show: dict[str, Any]) -> str:
    rows = [["METRIC", "N", "ERRORS", "P50", "P95", "P99", "MAX"]]
    for name, found in show["metrics"].items():
        values = [found[key] for key in ("p50", "p95", "p99", "max")]
        rows.append([name, format_count(found["n"]), str(found["errors"]), *(_value(v, found["unit"]) for v in values)])
    return columns(rows) if show["metrics"] else ""


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "s":
        return format_duration(value)
    return f"{value:.4g}" + ("" if unit in ("", "1") else unit if unit.startswith("/") else f" {unit}")


def _artifacts(show: dict[str, Any]) -> str:
    rows = [["ARTIFACT", "KIND", "SHA256"]]
    rows += [[item["path"], item["kind"] or "", (item["sha256"] or "")[:12]] for item in show["artifacts"]]
    return columns(rows) if show["artifacts"] else ""
