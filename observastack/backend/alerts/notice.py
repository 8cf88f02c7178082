"""The body of Alertmanager's webhook (version 4, https://prometheus.io/docs/alerting/latest/configuration/#webhook_config)
and what the platform reads out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from observastack.backend.alerts.model import Moment, Text
from observastack.backend.wire import moment, parse_time

NEVER = "0001-01-01T00:00:00"
"""How Go writes a time that is not set: an end like this means that the alert still fires."""
MAX_ALERTS = 1_000

_SEVERITIES = {
    "critical": 0, "page": 0, "fatal": 0, "emergency": 0, "error": 1, "major": 1, "high": 1, "warning": 2, "warn": 2,
    "minor": 2, "info": 3, "none": 3, "low": 3,
}  # fmt: skip
_UNSAID = 2

Labels = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
        Annotated[Text, Field(max_length=4_000)],
    ],
    Field(max_length=64),
]
Annotations = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
        Annotated[Text, Field(max_length=20_000)],
    ],
    Field(max_length=64),
]


class SentAlert(BaseModel):
    """Fields that are not known are ignored: newer versions of Alertmanager add some."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: Annotations = Field(default_factory=dict)
    startsAt: Moment  # noqa: N815 - the wire name
    endsAt: StrictStr | None = Field(None, max_length=64)  # noqa: N815
    generatorURL: Text | None = Field(None, max_length=4_000)  # noqa: N815
    fingerprint: StrictStr | None = Field(None, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")


class Notification(BaseModel):
    """One delivery for one group of alerts."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"] = "4"
    receiver: Text | None = None
    alerts: list[SentAlert] = Field(max_length=MAX_ALERTS)


@dataclass(frozen=True)
class Notice:
    """What the source says about one alert now. severity: place in SEVERITIES; ends_at: None while it fires."""

    fingerprint: str
    severity: int
    title: str
    source: str
    service: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str | None
    starts_at: datetime
    ends_at: datetime | None
    firing: bool


def notices(sent: Notification, tenant: str, now: datetime) -> list[Notice]:
    """Of this tenant only, each fingerprint once (the last one counts). Raises ValueError for an end without meaning."""
    found: dict[str, Notice] = {}
    for alert in sent.alerts:
        if alert.labels.get("tenant", tenant) == tenant:
            notice = _notice(alert, {**alert.labels, "tenant": tenant}, now)
            found[notice.fingerprint] = notice
    return [found[fingerprint] for fingerprint in sorted(found)]


def _notice(sent: SentAlert, labels: dict[str, str], now: datetime) -> Notice:
    ends_at = _end(sent.endsAt)
    still = sent.endsAt is not None and ends_at is None
    firing = sent.status == "firing" or still
    return Notice(
        fingerprint=sent.fingerprint or fingerprint(labels),
        severity=_SEVERITIES.get(labels.get("severity", "").lower(), _UNSAID),
        title=_first(sent.annotations, "summary", "title") or labels.get("alertname") or "alert without a name",
        source=labels.get("source") or "alertmanager",
        service=_first(labels, "service", "service_name", "job"),
        labels=labels,
        annotations=sent.annotations,
        generator_url=sent.generatorURL or None,
        starts_at=sent.startsAt,
        ends_at=None if firing else ends_at or now,
        firing=firing,
    )


def fingerprint(labels: Mapping[str, str]) -> str:
    """For a sender that gives none: the same labels, the same fingerprint."""
    return hashlib.blake2b(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _end(text: str | None) -> datetime | None:
    if not text or text.startswith(NEVER):
        return None
    return moment(parse_time(text))


def _first(values: Mapping[str, Any], *names: str) -> str | None:
    return next((str(values[name])[:500] for name in names if values.get(name)), None)
