"""Alerts that fired, held against what a run did on purpose: precision, recall and the time to detect. Pure functions.

An anomaly's alert is *expected* once for each tenant that it strikes. It is detected when an alert of that name, with
the labels `tenant` and `service` of the anomaly, began between the anomaly's start and its deadline; late when it began
after the deadline. Further alerts that began while an anomaly lasted are *explained* by it when they have the name that
it expects (it struck callers too, or the alert came back), or when it expects none. Every other alert is false: in a
quiet window, or where nothing went wrong.

An Alertmanager also tells of alerts without a tenant: of the platform itself, or by a rule that lost the label. In a quiet
window they are false. At other times nobody can say whether they were right, for the labels speak of tenants only: they
are *doubtful*, precision counts them as false, and a score that is good enough only without them is not assessed.

    recall    = detected in time / expected
    precision = alerts that were expected (late ones too) / those, the false and the doubtful ones
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from runners.suite import Verdict

Result = Literal["detected", "late", "missed", "unseen"]
_BLIND_S = 10.0  # no alert comes and goes within the first moments of a run


@dataclass(frozen=True)
class Fired:
    """One alert. labels: alertname, tenant and the rest; starts, ends: Unix seconds, ends None while it fires."""

    labels: Mapping[str, str]
    starts: float
    ends: float | None = None

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")

    @property
    def tenant(self) -> str:
        """Empty for one that names none."""
        return self.labels.get("tenant", "")

    @property
    def key(self) -> tuple[tuple[tuple[str, str], ...], float]:
        return tuple(sorted(self.labels.items())), self.starts


@dataclass(frozen=True)
class Wrong:
    """What an anomaly did to one tenant. alert: that must fire by `by`; None: it need not be noticed."""

    anomaly: str
    kind: str
    tenant: str
    service: str | None
    starts: float
    ends: float
    alert: str | None = None
    by: float = 0.0

    @property
    def until(self) -> float:
        """As long as an alert may begin because of it."""
        return max(self.ends, self.by)


@dataclass(frozen=True)
class Detection:
    """One expected alert and what came of it. delay_s: from the anomaly's start to the alert's."""

    of: Wrong
    result: Result
    fired: Fired | None = None

    @property
    def delay_s(self) -> float | None:
        return None if self.fired is None else self.fired.starts - self.of.starts


@dataclass(frozen=True)
class FalseAlert:
    """An alert that should not have fired, and why not."""

    fired: Fired
    reason: str


@dataclass(frozen=True)
class Score:
    """explained: alerts that an anomaly accounts for without having been waited for; blind_s: for how long from the start
    alerts may have come and gone that the source no longer knew; doubtful: alerts that name no tenant."""

    detections: tuple[Detection, ...]
    false: tuple[FalseAlert, ...]
    explained: tuple[Fired, ...]
    blind_s: float = 0.0
    doubtful: tuple[Fired, ...] = ()

    def count(self, *results: Result) -> int:
        return sum(one.result in results for one in self.detections)

    @property
    def recall(self) -> float | None:
        """None where nothing was expected."""
        return self.count("detected") / len(self.detections) if self.detections else None

    @property
    def precision(self) -> float | None:
        """At least so much, whatever the doubtful ones were about. None where no alert counts."""
        return self._precision(len(self.false) + len(self.doubtful))

    @property
    def best_precision(self) -> float | None:
        """If all doubtful ones were right."""
        return self._precision(len(self.false))

    def _precision(self, false: int) -> float | None:
        true = self.count("detected", "late")
        return true / (true + false) if true or false else None

    @property
    def delays_s(self) -> list[float]:
        return sorted(one.delay_s for one in self.detections if one.delay_s is not None)


def wrongs(labels: Mapping[str, Any]) -> list[Wrong]:
    """What the document `labels.json` of a run says, tenant by tenant."""
    return [
        Wrong(
            one["name"], one["kind"], tenant, one["service"], one["from"], one["to"],
            one["alert"]["name"] if one["alert"] else None, one["alert"]["by"] if one["alert"] else 0.0,
        )
        for one in labels["anomalies"] for tenant in one["tenants"]
    ]  # fmt: skip


def deadline(labels: Mapping[str, Any]) -> float:
    """Unix seconds after which nothing more that counts can begin."""
    return max([float(labels["to"]), *(wrong.until for wrong in wrongs(labels))])


def score(labels: Mapping[str, Any], fired: Sequence[Fired], *, forgotten_before: float | None = None) -> Score:
    """Judge alerts of the run's tenants, or of no tenant, that began within it. Others are not looked at.

    forgotten_before: the source no longer knows alerts that ended before this; an expected alert that may have come and
    gone by then is `unseen` when it is not found, instead of missed.
    """
    until = deadline(labels)
    pending = {
        one.key: one for one in fired
        if (not one.tenant or one.tenant in labels["tenants"]) and labels["from"] <= one.starts <= until
    }  # fmt: skip
    open_ = sorted(pending.values(), key=lambda one: (one.starts, one.key))
    struck = wrongs(labels)
    results: dict[int, Detection] = {}
    # Who must be told first is served first: so no alert is spent on an anomaly that could have had a later one.
    for number in sorted(range(len(struck)), key=lambda number: (struck[number].by, struck[number].until)):
        wrong = struck[number]
        if wrong.alert is None:
            continue
        found = next((one for one in open_ if _expected(one, wrong)), None)
        if found is None:
            gone = forgotten_before is not None and wrong.ends < forgotten_before
            results[number] = Detection(wrong, "unseen" if gone else "missed")
            continue
        open_.remove(found)
        results[number] = Detection(wrong, "detected" if found.starts <= wrong.by else "late", found)
    detections = tuple(results[number] for number in sorted(results))
    explained = [one for one in open_ if any(_explained(one, wrong) for wrong in struck)]
    doubtful = [one for one in open_ if not one.tenant and not _quiet(one, labels)]
    false = [FalseAlert(one, _reason(one, labels)) for one in open_ if one not in explained and one not in doubtful]
    blind_s = 0.0 if forgotten_before is None else max(0.0, forgotten_before - labels["from"])
    return Score(detections, tuple(false), tuple(explained), blind_s, tuple(doubtful))


def _expected(one: Fired, wrong: Wrong) -> bool:
    return (
        one.name == wrong.alert
        and one.labels.get("tenant") == wrong.tenant
        and (wrong.service is None or one.labels.get("service") == wrong.service)
        and wrong.starts <= one.starts <= wrong.until
    )


def _explained(one: Fired, wrong: Wrong) -> bool:
    if one.labels.get("tenant") != wrong.tenant or not wrong.starts <= one.starts <= wrong.until:
        return False
    if wrong.alert is not None:
        return one.name == wrong.alert
    return wrong.service is None or one.labels.get("service") == wrong.service


def _quiet(one: Fired, labels: Mapping[str, Any]) -> bool:
    return any(window["from"] <= one.starts < window["to"] for window in labels["quiet"])


def _reason(one: Fired, labels: Mapping[str, Any]) -> str:
    return "in a quiet window" if _quiet(one, labels) else "nothing went wrong that it could be about"


def verdict_of(found: Score, labels: Mapping[str, Any], *, recall: float, precision: float) -> tuple[Verdict, str]:
    """(verdict, why it is not passed). recall, precision: the least that is good enough."""
    if not labels["anomalies"] and not labels["quiet"]:
        return "invalid", "the scenario labels neither anomalies nor quiet windows: there is nothing to compare with"
    if unseen := found.count("unseen"):
        return "invalid", f"{unseen} expected alerts may have come and gone before this source was asked"
    if complaints := list(_complaints(found, recall, precision)):
        return "failed", "; ".join(complaints)
    if found.precision is not None and found.precision < precision:
        names = ", ".join(sorted({one.name or "?" for one in found.doubtful}))
        return (
            "invalid",
            f"precision is {found.precision:.2f} if alerts that name no tenant were false, and nobody can say what they were about: {names}",
        )
    if not found.detections:
        return (
            "invalid",
            "no alert was expected, so nothing shows that alerts would have been heard: label one that must fire",
        )
    if found.blind_s > _BLIND_S:
        return (
            "invalid",
            f"the source forgets alerts that end, and was first asked {found.blind_s:.0f} s after the run began",
        )
    return "passed", ""


def _complaints(found: Score, recall: float, precision: float) -> Iterator[str]:
    if found.recall is not None and found.recall < recall:
        expected = len(found.detections)
        yield f"recall {found.recall:.2f} is below {recall:g}: {expected - found.count('detected')} of {expected} alerts were late or missed"
    if found.best_precision is not None and found.best_precision < precision:
        yield f"precision {found.best_precision:.2f} is below {precision:g}: {len(found.false)} false alerts"


def to_json(found: Score) -> dict[str, Any]:
    """The figures, each expected alert and each false one."""
    delays = found.delays_s
    return {
        "precision": found.precision, "recall": found.recall,
        "time_to_detect_s": {
            "n": len(delays), "median": round(median(delays), 3) if delays else None,
            "max": round(delays[-1], 3) if delays else None,
        },
        "expected": len(found.detections), "detected": found.count("detected"), "late": found.count("late"),
        "missed": found.count("missed"), "unseen": found.count("unseen"), "false": len(found.false),
        "explained": len(found.explained), "doubtful": len(found.doubtful),
        "anomalies": [
            {
                "name": one.of.anomaly, "kind": one.of.kind, "tenant": one.of.tenant, "service": one.of.service,
                "alert": one.of.alert, "from": one.of.starts, "by": one.of.by, "result": one.result,
                "fired_at": None if one.fired is None else one.fired.starts,
                "delay_s": None if one.delay_s is None else round(one.delay_s, 3),
            }
            for one in found.detections
        ],
        "false_alerts": [
            {"labels": dict(one.fired.labels), "at": one.fired.starts, "reason": one.reason} for one in found.false
        ],
        "doubtful_alerts": [{"labels": dict(one.labels), "at": one.starts} for one in found.doubtful],
    }  # fmt: skip
