"""`data score`: wait until the last deadline has passed, read the alerts, judge them, say it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.datagen.alerts import Alertmanager, Alerts, PlatformAlerts, Unreadable
from runners.datagen.labels import LABELS
from runners.datagen.score import Fired, Score, deadline, score, to_json, verdict_of
from runners.ledger.attempt import Flag
from runners.ledger.header import read_header
from runners.ledger.reader import read_attempts
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.suite import Verdict
from runners.target import open_target

GOOD_ENOUGH = 0.9
_EVERY_S = 2.0
_SHORT_S, _SHORT_SHARE = 10.0, 0.1  # of the end of a run there need be nothing
_SETTLE_S = 5.0  # an alert needs a moment from the Alertmanager to the platform


@dataclass(frozen=True)
class Scored:
    """score is None where it could not be assessed."""

    verdict: Verdict
    reason: str
    source: str
    labels: dict[str, Any]
    score: Score | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict, "reason": self.reason or None, "source": self.source, "run": self.labels["run"],
            "scenario": self.labels["scenario"], **({} if self.score is None else to_json(self.score)),
        }  # fmt: skip


def unheard(environment: Environment) -> str:
    """Why nothing raises alerts about tenants in an environment that was provisioned here; empty where something may."""
    state = read_json(environment.state)
    stores = state.get("stores") if isinstance(state, dict) else None
    if isinstance(stores, dict) and stores.get("metrics") == "embedded":
        return (
            f"no alert rule sees the tenants' metrics in environment '{environment.name}': its embedded store keeps them "
            "(with Prometheus instead: testbed --set stores=real up)"
        )
    return ""


def _slept(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def score_run(
    ledger: Path, home: Home, *, environment: str | None = None, alertmanager: str | None = None,
    recall: float = GOOD_ENOUGH, precision: float = GOOD_ENOUGH, wait: bool = True,
    progress: Callable[[str], None] = lambda _text: None, stop: Callable[[float], bool] = _slept,
) -> Scored:  # fmt: skip
    """ledger: of the run; environment: None means the one that was written to; stop: waits that many seconds and says
    whether to give up waiting. Raises NotReady when the run has no
    labels; alerts that cannot be read give the verdict invalid."""
    path = ledger.parent / LABELS
    labels = read_json(path)
    if not isinstance(labels, dict) or labels.get("v") != 1:
        raise NotReady("this run has no labels", file=path, remedy="make it again: testbed data generate")

    def judged(source: Alerts) -> Scored:
        began = time.time()
        try:
            fired = _watch(source, labels, wait=wait, progress=progress, stop=stop)
        except Unreadable as error:
            return Scored("invalid", str(error), source.name, labels)
        found = score(labels, fired, forgotten_before=None if source.remembers else began)
        verdict, why = verdict_of(found, labels, recall=recall, precision=precision)
        if verdict != "invalid" and (unfinished := _unfinished(ledger, labels)):
            verdict, why = "invalid", unfinished
        return Scored(verdict, why, source.name, labels, found)

    if alertmanager is not None:
        return judged(Alertmanager(alertmanager))
    place = home.env(environment or read_header(ledger).environment)
    if why := unheard(place):
        return Scored("invalid", why, "none", labels)
    try:
        with open_target(place) as target:
            return judged(PlatformAlerts(target, labels["tenants"]))
    except NotReady as error:
        return Scored("invalid", str(error), "none", labels)


def _unfinished(ledger: Path, labels: dict[str, Any]) -> str:
    """Why this is not the last word: what the labels announce has not all happened, or not all of it could be heard of yet."""
    if (left := deadline(labels) - time.time()) > 0:
        return f"the last deadline is in {left:.0f} s: this is how it stands so far"
    sent = (attempt.last_time for attempt, _ in read_attempts(ledger) if not attempt.flags & Flag.SENTINEL)
    short = labels["to"] - max(sent, default=0) / 1e9
    if short > max(_SHORT_S, _SHORT_SHARE * (labels["to"] - labels["from"])):
        return "the run was cut short, and not all that its labels announce happened: see `testbed data resume`"
    return ""


def _watch(
    source: Alerts,
    labels: dict[str, Any],
    *,
    wait: bool,
    progress: Callable[[str], None],
    stop: Callable[[float], bool],
) -> list[Fired]:
    """Every alert seen until the last deadline, whatever became of it meanwhile."""
    until = deadline(labels) + _SETTLE_S
    seen: dict[Any, Fired] = {}
    while True:
        now = time.time()
        for one in source.read():
            seen[one.key] = one
        if not wait or now >= until:
            return list(seen.values())
        progress(f"{len(seen)} alerts so far; the last deadline is in {until - now:.0f} s")
        if stop(min(_EVERY_S, max(0.05, until - now))):
            raise Unreadable("it was stopped before the last deadline")


def text(found: Scored) -> str:
    """The score for people."""
    lines = [f"{found.verdict.upper()}" + (f"  {found.reason}" if found.reason else "")]
    if found.score is None:
        return "\n".join(lines)
    said = to_json(found.score)
    lines.append(
        f"  precision {_figure(said['precision'])}   recall {_figure(said['recall'])}   time to detect "
        f"{_seconds(said['time_to_detect_s']['median'])} median, {_seconds(said['time_to_detect_s']['max'])} at most"
    )
    if said["anomalies"]:
        rows = [("anomaly", "kind", "tenant", "service", "alert", "within", "began after", "result")]
        rows += [
            (
                one["name"], one["kind"], one["tenant"], one["service"] or "-", one["alert"],
                _seconds(one["by"] - one["from"]), _seconds(one["delay_s"]), one["result"],
            )
            for one in said["anomalies"]
        ]  # fmt: skip
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    lines += [f"  false: {_named(one['labels'])}, {one['reason']}" for one in said["false_alerts"]]
    lines += [
        f"  doubtful: {_named(one['labels'])}, which names no tenant: precision counts it as false"
        for one in said["doubtful_alerts"]
    ]
    if more := said["explained"]:
        what = (
            "1 more alert began while an anomaly lasted and counts"
            if more == 1
            else (f"{more} more alerts began while an anomaly lasted and count")
        )
        lines.append(f"  {what} neither way")
    lines.append(f"  read from {found.source}")
    return "\n".join(lines)


def _named(labels: dict[str, str]) -> str:
    more = (f"{name}={value}" for name, value in sorted(labels.items()) if name != "alertname")
    return " ".join([labels.get("alertname", "?"), *more])


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
