"""What a report says about alerts that a run was due to raise: each expected one, each false one."""

from __future__ import annotations

from typing import Any

from runners.report import words
from runners.report.svg import safe, table
from runners.report.timeline import verdict_sign

_OUTCOME = {"detected": "passed", "late": "failed", "missed": "failed", "unseen": "invalid"}
_MOST_FALSE = 40
_DOUBTFUL = "it names no tenant: nobody can say what it was about"


def finding(score: dict[str, Any]) -> str:
    """The section's sentence. score: the document of an event `score`."""
    if score.get("expected") is None or score["verdict"] == "invalid":
        return f"Nothing is claimed: {score.get('reason') or 'the alerts were not assessed'}."
    text = f"{score['detected']} of {score['expected']} alerts came in time, {score['false']} came without a cause"
    if doubtful := score.get("doubtful"):
        text += f", {doubtful} {'names' if doubtful == 1 else 'name'} no tenant"
    return f"{text}: recall {_share(score['recall'])}, precision {_share(score['precision'])}."


def section(score: dict[str, Any]) -> str:
    """Tables of what was expected and of what was false."""
    rows = [
        [
            safe(one["name"]), safe(one["kind"]), safe(f"{one['tenant']} {one['service'] or ''}".strip()),
            safe(one["alert"]), words.seconds(one["by"] - one["from"]), words.seconds(one["delay_s"]),
            f"{verdict_sign(_OUTCOME.get(one['result'], 'invalid'))} {safe(one['result'])}",
        ]
        for one in score.get("anomalies", ())
    ]  # fmt: skip
    heads = ["What went wrong", "kind", "where", "alert", "within", "after", "result"]
    text = table("Alerts that were due", heads, rows, numeric=(4, 5)) if rows else ""
    false = [*score.get("false_alerts", ()), *(one | {"reason": _DOUBTFUL} for one in score.get("doubtful_alerts", ()))]
    if false:
        items = [
            [
                safe(one["labels"].get("alertname", "?")),
                safe(" ".join(f"{name}={value}" for name, value in sorted(one["labels"].items()) if name != "alertname")),
                words.clock(float(one["at"])), safe(one["reason"]),
            ]
            for one in false[:_MOST_FALSE]
        ]  # fmt: skip
        text += "<h3>False alerts</h3>" + table(
            "False alerts", ["Alert", "labels", "at", "why it counts as false"], items
        )
        if len(false) > _MOST_FALSE:
            text += f'<p class="note">{len(false) - _MOST_FALSE} more in score.json.</p>'
    return text + f'<p class="note">Read from {safe(score["source"])}.</p>'


def summary(score: dict[str, Any]) -> list[tuple[str, ...]]:
    """(what went wrong, tenant, alert, after, result) of each alert that was due, as plain text."""
    return [
        (one["name"], one["tenant"], one["alert"], words.seconds(one["delay_s"]), one["result"])
        for one in score.get("anomalies", ())
    ]


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
