"""The labels of a series as PromQL sees them: one rule for the embedded store and for what is written to Prometheus."""

from __future__ import annotations

import re
from typing import Any

import orjson

_INVALID = re.compile(r"[^a-zA-Z0-9_]")


def label_name(attribute: str) -> str:
    """An OpenTelemetry attribute key as a Prometheus label (OTLP compatibility specification)."""
    name = _INVALID.sub("_", attribute)
    return f"key_{name}" if name[:1].isdigit() else name


def labels_of(
    name: str, service: str, tenant: str, resource: dict[str, Any], attributes: dict[str, Any]
) -> dict[str, str]:
    """Labels of a series: resource attributes, above them the points' own, above them what nobody can send.

    Keys that become the same label are joined with `;` in the order of the keys, as the specification says.
    """
    labels: dict[str, str] = {}
    for source in (resource, attributes):
        own: dict[str, str] = {}
        for key in sorted(source):
            label = label_name(key)
            text = _text(source[key])
            own[label] = f"{own[label]};{text}" if label in own else text
        labels.update(own)
    labels.update(__name__=name, service=service, tenant=tenant)
    return {label: value for label, value in labels.items() if value}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
