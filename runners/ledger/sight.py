"""What of an item a store can show. Whatever it cannot show is not observable there: an audit then claims nothing about it.

A real back end may keep milliseconds where nanoseconds were sent, have one set of labels in place of the attributes of
point and resource, or drop a repeated item by design. The target's profile says so for each kind of store (`stores`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from runners.ledger.items import Attributes, Resource

_INVALID = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True)
class Sight:
    """resolution_ns: of times; labels: attributes are labels with texts as values, and kind and unit of a metric are not
    kept; duplicates: can a second copy be seen? leaks: is it seen who else can read something? strangers: is an item seen
    that nobody sent?"""

    resolution_ns: int = 1
    labels: bool = False
    duplicates: bool = True
    leaks: bool = True
    strangers: bool = True

    def time(self, time_ns: int) -> int:
        """A time as the store keeps it."""
        return time_ns // self.resolution_ns * self.resolution_ns


WHOLE = Sight()
"""Everything can be seen."""


def label_name(attribute: str) -> str:
    """An attribute's key as a label (OpenTelemetry specification, compatibility with Prometheus)."""
    name = _INVALID.sub("_", attribute)
    return f"key_{name}" if name[:1].isdigit() else name


def labels(resource: Resource, attributes: Attributes) -> dict[str, str]:
    """The labels of a sample of this series, but its name, service and tenant. An empty label is no label."""
    found: dict[str, str] = {}
    for source in (resource.attributes, attributes):
        own: dict[str, str] = {}
        for key in sorted(source):
            name, text = label_name(key), _text(source[key])
            own[name] = f"{own[name]};{text}" if name in own else text
        found |= own
    for name in ("__name__", "service", "tenant"):
        found.pop(name, None)
    return {name: text for name, text in found.items() if text}


def same_labels(stored: Mapping[str, object], sent: Mapping[str, str]) -> bool:
    """Are these the labels? The store's own ones (name, service, tenant) do not count."""
    return {name: value for name, value in stored.items() if name not in ("__name__", "service", "tenant")} == sent


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
