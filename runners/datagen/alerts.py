"""Where fired alerts are read: the platform's own list, through the target's profile, or an Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import httpx

from runners.datagen.score import Fired
from runners.lib.errors import NotReady
from runners.target import Target
from runners.target.template import MissingVariable

_PAGE = 200
_MOST_PAGES = 500


class Unreadable(Exception):
    """The alerts could not be read: nothing can be said about them."""


class Alerts(Protocol):
    """remembers: does it still know alerts that have ended?"""

    name: str
    remembers: bool

    def read(self) -> list[Fired]:
        """All alerts it knows. Raises Unreadable."""
        ...


class PlatformAlerts:
    """`alerts.list` of a target, for each of these tenants as its viewer."""

    remembers = True

    def __init__(self, target: Target, tenants: Sequence[str]) -> None:
        self._target, self._tenants = target, tenants
        self.name = f"alerts.list of {target.name}"

    def read(self) -> list[Fired]:
        try:
            return [fired for tenant in self._tenants for fired in self._of(tenant)]
        except (NotReady, MissingVariable, httpx.HTTPError) as error:
            raise Unreadable(f"the alerts cannot be read: {error}") from None

    def _of(self, tenant: str) -> list[Fired]:
        operation = self._target.operation("alerts.list")
        if operation is None:
            raise Unreadable(f"target {self._target.name} has no capability alerts.list")
        viewer = self._target.identity(tenant, operation.role)
        found: list[Fired] = []
        cursor: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            answer = self._target.call("alerts.list", viewer, limit=_PAGE, **cursor)
            items = operation.items(answer)
            if not operation.succeeded(answer) or items is None:
                raise Unreadable(f"alerts.list of tenant {tenant} was answered with status {answer.status}")
            found += [_fired(item, tenant) for item in items]
            following = operation.next_cursor(answer)
            if following is None:
                return found
            if "cursor" not in operation.mentions:  # a part of them would look like the absence of the others
                raise Unreadable(
                    f"alerts.list of tenant {tenant} has further pages, and the profile of target {self._target.name} does "
                    "not say how to ask for them: give it a {cursor?}"
                )
            cursor = {"cursor": following}
        raise Unreadable(f"alerts.list of tenant {tenant} did not end after {_MOST_PAGES} pages")


class Alertmanager:
    """The API of an Alertmanager, version 2: it tells of alerts that fire now, no longer of those that have ended."""

    remembers = False

    def __init__(self, url: str) -> None:
        self.name = f"Alertmanager at {url}"
        self._url = url.rstrip("/") + "/api/v2/alerts"

    def read(self) -> list[Fired]:
        try:
            answer = httpx.get(self._url, timeout=10.0, trust_env=False)
            answer.raise_for_status()
            document = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreadable(f"{self.name} cannot be read: {error}") from None
        if not isinstance(document, list):
            raise Unreadable(f"{self.name} did not answer with a list of alerts")
        return [_fired(item, None) for item in document]


def _fired(item: Any, tenant: str | None) -> Fired:
    """From either's shape. tenant: whose list it was. Raises Unreadable."""
    try:
        labels: Mapping[str, Any] = item.get("labels") or {}
        starts = item.get("starts_at") or item["startsAt"]
        ends = item.get("resolved_at") or item.get("ends_at")
        whose = (
            {"tenant": tenant} if tenant is not None else {}
        )  # who was shown it; what it says of itself may be wrong
        title = {"alertname": str(item["title"])} if "alertname" not in labels and "title" in item else {}
        service = {"service": str(item["service"])} if item.get("service") else {}
        return Fired(
            {**title, **service, **{str(name): str(value) for name, value in labels.items()}, **whose},
            _unix(starts), None if ends is None else _unix(ends),
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Unreadable("an alert has no labels or no start") from None


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
