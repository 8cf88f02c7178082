"""Samples out of Prometheus as search items: a range selector gives them as they were stored, to the millisecond.

Prometheus keeps labels and nothing else: attributes of points and of the resource are one set, their values texts, and the
kind and unit of the metric are not known.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from observastack.backend.search.item import item
from observastack.backend.search.model import Filter
from observastack.backend.sources import SourceFailed
from observastack.backend.stores.ports import Item, Row, Selected
from observastack.backend.stores.prometheus.enforce import LABEL, quoted
from observastack.backend.stores.remote.client import unusable
from observastack.backend.stores.remote.walk import Part
from observastack.backend.wire import number
from observastack.store.labels import label_name

MS = 10**6
_RESERVED = frozenset({"__name__", "service", LABEL})
# Samples asked for at once; more are read in narrower parts.
MOST_SAMPLES = 20_000
# Metrics whose samples are counted by one query.
NAMES = 100
Ask = Callable[[str, str, float], Any]


def selector(selected: Selected, tenant: str) -> str:
    """A selector of at least all series that have what is wanted. Its texts are quoted; label names are made valid."""
    matchers = [f"{LABEL}={quoted(tenant)}"]
    if selected.free_text:
        matchers.append(f"__name__=~{quoted(f'(?is).*{literal(selected.free_text)}.*')}")
    matchers += [written for one in selected.filters if (written := _matcher(one)) is not None]
    return f"{{{','.join(matchers)}}}"


def literal(text: str) -> str:
    """The text as a regular expression (RE2: a backslash may precede any ASCII punctuation, and nothing else)."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def lookup(found: Item, _: str, key: str) -> tuple[bool, Any]:
    """Attributes by the name of their label; numbers in filters apply to a label that is written as a number."""
    labels, label = found["content"]["attributes"], label_name(key)
    return label in labels, labels.get(label)


def rows(answer: Any, first: int, last: int) -> list[Row]:
    """The samples of a matrix that lie in [first, last). Raises SourceFailed when it is none."""
    found: list[Row] = []
    try:
        for series in answer["result"]:
            labels = series["metric"]
            tie = _tie(labels)
            for seconds, text in series["values"]:
                ts = round(seconds * 1000) * MS
                if first <= ts < last:
                    found.append((ts, tie, _item(labels, ts, tie, text)))
    except (KeyError, TypeError, ValueError):
        raise unusable() from None
    return found


class SampleReader:
    """Reader (see remote.walk). ask: an instant query at a time given as text; returns the answer's data."""

    def __init__(self, ask: Ask, series: str) -> None:
        self._ask, self._series = ask, series

    async def __call__(self, first: int, last: int, *, descending: bool, timeout_s: float, **_: int) -> Part:
        low, high = -(-first // MS), -(-last // MS) - 1  # the milliseconds that lie inside
        if low > high:
            return Part(())
        count = await self._count(low, high, timeout_s)
        if not count:
            return Part(())
        width = high - low + 1
        part = width if count <= MOST_SAMPLES else max(1, width * MOST_SAMPLES // count)
        begin, end = (high - part + 1, high) if descending else (low, low + part - 1)
        read = await self._read(begin, end, timeout_s)
        found = sorted((row for row in read if first <= row[0] < last), key=lambda row: row[:2], reverse=descending)
        if part == width:
            return Part(found)
        return Part(found, begin * MS if descending else (end + 1) * MS)

    async def _count(self, low: int, high: int, timeout_s: float) -> int:
        """Name by name: a function drops the name, and two metrics of the same labels would then be one series twice,
        which Prometheus refuses."""
        window, counted = f"[{high - low + 1}ms]", 0
        names = await self._ask(
            f"group by (__name__) (last_over_time({self._series}{window}))", moment(high), timeout_s
        )
        try:
            found = [series["metric"]["__name__"] for series in names["result"]]
            for at in range(0, len(found), NAMES):
                terms = [
                    f"(sum(count_over_time({{__name__={quoted(name)},{self._series[1:]}{window})) or vector(0))"
                    for name in found[at : at + NAMES]
                ]
                data = await self._ask(" + ".join(terms), moment(high), timeout_s)
                counted += int(float(data["result"][0]["value"][1]))
        except (KeyError, TypeError, ValueError, IndexError):
            raise unusable() from None
        return counted

    async def _read(self, low: int, high: int, timeout_s: float) -> Sequence[Row]:
        # A range includes its begin in Prometheus 2 and does not in 3: one millisecond more, and what lies outside is left.
        data = await self._ask(f"{self._series}[{high - low + 1}ms]", moment(high), timeout_s)
        if data.get("resultType") != "matrix":
            raise SourceFailed("gave no usable answer")
        # Beside the event loop: a part may have MOST_SAMPLES.
        return await asyncio.to_thread(rows, data, low * MS, (high + 1) * MS)


def moment(ms: int) -> str:
    """Unix seconds with milliseconds, as text: a float would not be exact."""
    return f"{ms // 1000}.{ms % 1000:03d}"


def _item(labels: dict[str, str], ts: int, tie: int, text: str) -> Item:
    content = {
        "name": labels.get("__name__", ""),
        "type": "unknown",
        "unit": "",
        "value": number(float(text)),
        "monotonic": None,
        "temporality": None,
        "attributes": {label: value for label, value in labels.items() if label not in _RESERVED},
        "resource": {},
    }
    return item("metrics", (ts, f"{ts // MS:x}-{tie & (1 << 64) - 1:016x}"), labels.get("service", ""), None, content)


def _tie(labels: dict[str, str]) -> int:
    text = "\0".join(f"{label}\0{value}" for label, value in sorted(labels.items()))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def exact(selected: Selected) -> bool:
    """Whether `selector` selects nothing but what matches."""
    return (selected.free_text or "").isascii() and all(_matcher(one) is not None for one in selected.filters)


def label_of(name: str) -> str | None:
    """The label that a field is; None for a field that samples do not have, or that is no label."""
    head, _, key = name.partition(".")
    if head in ("attributes", "resource"):
        label = label_name(key)
        return None if label in _RESERVED else label
    return {"service": "service", "name": "__name__"}.get(name)


def _matcher(one: Filter) -> str | None:
    """What an equality of texts says about the labels; all else is decided on the items."""
    if one.operator != "equals" or not isinstance(one.value, str) or not one.value:
        return None
    label = label_of(one.field)
    return None if label is None else f"{label}={quoted(one.value)}"
