"""The sentences and numbers of a report, computed from its data by rule."""

from __future__ import annotations

from datetime import UTC, datetime

from runners.lib.units import format_count, format_duration
from runners.report.model import ITEM_NAMES, SIGNALS, Report

TITLES = {"passed": "Passed", "failed": "Failed", "invalid": "Not assessed", None: "Cancelled"}


def clock(at: float) -> str:
    """HH:MM:SS in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def stamp(at: float) -> str:
    """A full date and time in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(number: int, noun: str) -> str:
    return f"{format_count(number)} {noun}" + ("" if number == 1 else "s")


def seconds(value: float | None) -> str:
    return "–" if value is None else format_duration(value)


def headline(report: Report) -> str:
    """The answer in one sentence."""
    lost, acked = report.audit_sum("lost"), report.audit_sum("acked")
    recoveries = [fault.time_to_recover_s for fault in report.faults if fault.time_to_recover_s is not None]
    if report.verdict is None:
        return "The run was cancelled before it could be judged."
    if report.verdict == "invalid" and lost is None:
        return "Nothing is claimed: the run could not be judged."
    parts = []
    if acked is not None and lost is not None:
        bad = [(report.audit_sum(name), word) for name, word in _WRONGS]
        wrong = [f"{format_count(n)} {word}" for n, word in bad if n]
        if wrong:
            parts.append(f"Of {plural(acked, 'acknowledged item')}, {_join(wrong)}")
        elif report.audit is not None and report.audit.get("verdict") == "passed":
            parts.append(f"All {plural(acked, 'acknowledged item')} are there, exactly once")
    if recoveries:
        parts.append(f"{'and ' if parts else ''}the platform recovered in {format_duration(max(recoveries))}")
    if (
        not parts
        and report.verdict == "passed"
        and report.audit is None
        and report.sent
        and report.sent["acked"] == report.sent["sent"]
    ):
        parts.append(f"All {plural(report.sent['acked'], 'item')} that were sent are acknowledged")
    text = ", ".join(parts) or {
        "passed": "Everything that was asked held",
        "failed": "Something that was asked did not hold",
    }.get(report.verdict, "Not everything could be assessed")
    return text[0].upper() + text[1:] + "."


_WRONGS = (
    ("lost", "are lost"), ("duplicated", "are there more than once"), ("leaked", "are visible to another tenant"),
    ("corrupt", "are corrupt"), ("forged", "are forged"),
    ("stored_though_rejected", "are there though they were rejected"),
)  # fmt: skip


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


_PLAIN = {"invalid": "not assessed"}


def reasons(report: Report) -> list[tuple[str, str]]:
    """(verdict, sentence): one per cause, failed first; for a passed run what the verdict rests on."""
    found: list[tuple[str, str]] = []
    for gate in report.gates:
        if gate.verdict != "passed":
            tail = f": {gate.reason}" if gate.reason else ""
            found.append((gate.verdict, f"Gate {gate.expr}{tail}"))
    for stage in report.stages:
        if stage.verdict != "passed" and not stage.optional:
            how = stage.verdict if stage.state == "finished" and stage.verdict else stage.state
            what = f"Stage {stage.name} {_PLAIN.get(how, how).replace('_', ' ')}"
            failed = [test for test in report.tests if test.stage == stage.name and test.outcome != "passed"]
            detail = stage.reason or "; ".join(
                f"{test.id} {test.outcome.replace('_', ' ')}" + (f" ({test.message})" if test.message else "")
                for test in failed[:3]
            )
            detail = detail.removeprefix(f"{how}: ")
            found.append((stage.verdict or "invalid", what + (f": {detail}" if detail not in ("", how) else "")))
    listed = ("failed: ", "not assessed: stage ", "not assessed: gate ", "cancelled")  # what stands above in more words
    if report.reason and not (found and report.reason.startswith(listed)):
        found.append((report.verdict or "invalid", report.reason))
    if not found and report.verdict == "passed":
        found = [("passed", text) for text in _held(report)]
        if report.audit is None:
            found.append(("not_run", truth(report)))
    order = {"failed": 0, "invalid": 1, "passed": 2, "not_run": 3}
    return sorted(found, key=lambda item: order.get(item[0], 1))


def _held(report: Report) -> list[str]:
    """What a passed run has shown, of what it was about."""
    found = []
    if report.audit is not None:
        found.append(truth(report))
    if report.faults:
        found.append(faults(report))
    if report.gates:
        found.append(gates(report))
    if report.audit is None and report.operations:
        found.append(latency(report))
    return found or [tests(report)]


def truth(report: Report) -> str:
    """Finding of the section on ground truth."""
    if report.audit is None:
        return "No audit ran, so nothing is claimed about lost, duplicated or leaked items."
    wrong = [(report.audit_sum(name) or 0, name.replace("_", " ")) for name, _ in _WRONGS]
    if any(n for n, _ in wrong):
        return (
            _join([f"{format_count(n)} {name}" for n, name in wrong if n])
            + f" of {format_count(report.audit_sum('acked') or 0)} acknowledged items."
        )
    if report.audit["verdict"] != "passed":
        return (
            f"Nothing is claimed: {report.audit.get('reason') or 'not every signal of every tenant was acknowledged'}."
        )
    counted = _join(
        [
            f"{format_count(signal['found'])} {ITEM_NAMES[name]}"
            for name in SIGNALS
            if (signal := report.audit["signals"].get(name)) and signal.get("found") is not None
        ]
    )
    return f"Every acknowledged item was read back exactly once, by its own tenant alone: {counted}."


def faults(report: Report) -> str:
    if not report.faults:
        return "No fault was injected."
    unrecovered = [fault for fault in report.faults if fault.time_to_recover_s is None]
    unreverted = [fault for fault in report.faults if fault.reverted is None]
    text = f"{plural(len(report.faults), 'fault')} injected, {len(report.faults) - len(unreverted)} reverted"
    if unrecovered:
        return f"{text}; after {_join([fault.name for fault in unrecovered])} no recovery was seen."
    slowest = max(report.faults, key=lambda fault: fault.time_to_recover_s or 0)
    return f"{text}; the longest recovery took {seconds(slowest.time_to_recover_s)} ({slowest.name})."


def gates(report: Report) -> str:
    if not report.gates:
        return "The run has none."
    counts = {
        verdict: sum(gate.verdict == verdict for gate in report.gates) for verdict in ("failed", "invalid", "passed")
    }
    words = {"failed": "failed", "invalid": "could not be assessed", "passed": "passed"}
    return (
        _join([f"{n} {words[verdict]}" for verdict, n in counts.items() if n])
        + f" of {plural(len(report.gates), 'gate')}."
    )


def latency(report: Report) -> str:
    if not report.operations:
        return "No users were simulated, so no latency was measured."
    slowest = report.operations[0]
    errors = sum(row.total.errors for row in report.operations)
    total = sum(row.total.count for row in report.operations)
    p95 = seconds(slowest.total.quantile(0.95))
    return f"Slowest at p95: {slowest.name}, {p95}. {format_count(errors)} of {plural(total, 'request')} failed."


def tests(report: Report) -> str:
    counts = report.test_counts()
    parts = [
        f"{counts[key]} {key.replace('_', ' ')}" for key in ("failed", "invalid", "not_run", "skipped") if counts[key]
    ]
    return f"{counts['passed']} of {plural(counts['planned'], 'planned test')} passed" + (
        f"; {_join(parts)}." if parts else "."
    )


def basis(report: Report) -> str:
    """What the verdict rests on."""
    counts = report.test_counts()
    finished = sum(stage.state == "finished" for stage in report.stages)
    return (
        f"The verdict rests on {finished} of {plural(len(report.stages), 'stage')}, "
        f"{plural(len(report.gates), 'gate')} and {counts['passed'] + counts['failed']} of {plural(counts['planned'], 'test')}."
    )
