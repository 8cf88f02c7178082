"""A storage that mutates what it is given, by a plan that follows from a seed: what an audit must report, item by item.

A real generator's requests are decoded, changed and stored; the plan draws on the request's key without the run's id, so it
is the same for every run of a scenario. Items are told apart by what a person would look for: `Mutator.expected` holds the
lines that `lost.ndjson` must have, and no others.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.integration.datagen.platform import TENANTS, Platform, documents

Row = dict[str, Any]
Line = tuple[str, str, str, str | None, str]
"""(wrong, signal, tenant, who can read it, key)."""

OF_BATCHES = ("drop", "duplicate", "swap tenant", "truncate", "reorder")
OF_MARKERS = ("unmark", "drop", "duplicate")
OF_ITEMS = ("drop", "duplicate", "swap tenant", "flip content", "flip identity", "truncate", "reorder")


class Item:
    """One item as the storage shows it: one row, or several of a histogram."""

    def __init__(self, signal: str, rows: list[Row]) -> None:
        self.signal, self.rows = signal, rows
        self.key = _key(signal, rows)
        self.time = int(rows[0]["time_unix_nano"])


def _key(signal: str, rows: list[Row]) -> str:
    row = rows[-1]
    content = row["content"]
    if signal == "traces":
        key: dict[str, Any] = {"trace_id": row["trace_id"], "span_id": content["span_id"]}
    elif signal == "logs":
        key = {"time_unix_nano": row["time_unix_nano"], "trace_id": row["trace_id"]}
        key |= {"span_id": content["span_id"], "body": content["body"]}
    else:
        name, own = content["name"], dict(content["attributes"])
        if len(rows) > 1:
            own.pop("le", None)
            name = f"{name.rpartition('_')[0]}_count"
        key = {"name": name, "attributes": own, "time_unix_nano": row["time_unix_nano"]}
    return json.dumps(key, sort_keys=True)


def forged_key(signal: str, row: Row) -> str:
    """As the audit names a row that claims to be what nobody sent."""
    content = row["content"]
    names = {"logs": ("body",), "traces": ("span_id", "name"), "metrics": ("name", "attributes")}[signal]
    key = {"time_unix_nano": row["time_unix_nano"]} | {name: content[name] for name in names}
    if signal != "metrics":
        key["trace_id"] = row["trace_id"]
    return json.dumps(key, sort_keys=True)


def _histogram(row: Row) -> tuple[str, str] | None:
    """The rows of one point have this in common; None for what is shown as one row."""
    content = row["content"]
    stem, _, suffix = content["name"].rpartition("_")
    if suffix not in ("bucket", "count", "sum") or "." in suffix or not stem.endswith(("duration", "latency")):
        return None
    own = {name: value for name, value in content["attributes"].items() if name != "le"}
    resource = content["resource"]["service.instance.id"]
    return stem, json.dumps([own, resource, row["time_unix_nano"]], sort_keys=True)


def items_of(signal: str, rows: list[Row]) -> list[Item]:
    """In the order of their first rows."""
    groups: dict[Any, list[Row]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((_histogram(row) if signal == "metrics" else None) or index, []).append(row)
    return [Item(signal, group) for group in groups.values()]


def flip(text: str, random: Random) -> str:
    """One bit of one character; it stays a printable one."""
    places = [at for at, letter in enumerate(text) if letter.isascii() and letter.isalnum()]
    at = random.choice(places)
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


def flip_content(item: Item, random: Random) -> None:
    """Change one bit of what an item says, but not of who it is."""
    row = random.choice(item.rows)
    content = row["content"]
    # Rows of one resource share what they say of it.
    content["resource"] = dict(content["resource"])
    texts: list[tuple[Row, str]] = [(content["resource"], "service.version"), (content["resource"], "host.name")]
    texts += [(row, "service")]
    numbers: list[tuple[Row, str]] = []
    if item.signal == "logs":
        texts += [(content, "body"), (content, "severity_text"), (content["attributes"], "thread.name")]
        numbers += [(content, "severity_number")]
    elif item.signal == "traces":
        texts += [(content, "name")]
        numbers += [(content, "duration_ns"), (content, "kind"), (content, "status_code")]
    else:
        numbers += [(content, "value")] * 5
    holder, name = random.choice(texts + numbers)
    if isinstance(holder[name], str):
        holder[name] = flip(holder[name], random)
    elif isinstance(holder[name], float):
        holder[name] += 1.0
    else:
        holder[name] ^= 1


def flip_identity(item: Item, random: Random) -> None:
    """Change one bit of who an item is."""
    row = item.rows[0]
    content = row["content"]
    if item.signal == "metrics":
        other = str(item.time ^ 1)
        for one in item.rows:
            one["time_unix_nano"] = other
        return
    holder, name, digits = (
        (content["attributes"], "testbed.item.id", 32) if item.signal == "logs" else (content, "span_id", 16)
    )
    holder[name] = f"{int(holder[name], 16) ^ 1 << random.randrange(digits * 4):0{digits}x}"


def truncate(item: Item, random: Random) -> bool:
    """Cut something off it; True when what is left is still the whole item, though corrupt."""
    row = item.rows[-1]
    content = row["content"]
    if len(item.rows) > 1:
        item.rows.pop()  # of a histogram the rest is no item
        return False
    if item.signal == "logs":
        content["body"] = content["body"][: random.randrange(len(content["body"]))]
    elif content["attributes"] and item.signal == "traces":
        content["attributes"].popitem()
    else:
        content["resource"] = dict(content["resource"])
        content["resource"].popitem()
    return True


class Mutator(Platform):
    """applied: how often each mutation was; expected: the lines of findings that follow from it."""

    def __init__(self, seed: int, *, batches: float = 0.15, items: float = 0.02, markers: float = 0.0) -> None:
        super().__init__()
        self.seed, self.batches, self.items, self.markers = seed, batches, items, markers
        self.unmarked: list[tuple[str, int]] = []
        """(tenant, time) of the markers that were made points of."""
        self.applied: Counter[tuple[str, str, str]] = Counter()
        self.expected: Counter[Line] = Counter()

    def write(self, tenant: str, signal: str, key: str, body: bytes) -> None:
        with self.lock:
            if (tenant, key) in self.keys:
                return
            self.keys.add((tenant, key))
            random = Random(f"{self.seed}/{key[36:]}")  # without the run's id
            if signal == "metrics" and self.markers:
                body = self._unmark(tenant, body, random)
            self._store(tenant, signal, items_of(signal, documents(signal, body)), random)

    def _unmark(self, tenant: str, body: bytes, random: Random) -> bytes:
        """Make points of some of the markers of series that have ended, and have others be lost or there twice: the first is seen,
        the others are not."""
        request = ExportMetricsServiceRequest.FromString(body)
        for entry in request.resource_metrics:
            for metric in entry.scope_metrics[0].metrics:
                kind = metric.WhichOneof("data")
                points = getattr(metric, kind).data_points
                for point in [each for each in points if each.flags & 1]:
                    what = random.choice(OF_MARKERS) if random.random() < self.markers else ""
                    if what == "unmark":
                        point.flags = 0
                        if kind in ("gauge", "sum"):
                            point.as_int = 0
                        self.unmarked.append((tenant, point.time_unix_nano))
                    elif what == "drop":
                        points.remove(point)
                    elif what == "duplicate":
                        points.add().CopyFrom(point)
                    if what:
                        self.applied["marker", what, "metrics"] += 1
        return request.SerializeToString()

    def _store(self, tenant: str, signal: str, items: list[Item], random: Random) -> None:
        if not items:
            return  # of markers alone
        last = len(items) == 1 and "sentinel" in json.dumps(items[0].rows[0])
        readers = {tenant: items}
        if random.random() < self.batches and not last:
            self._batch(random.choice(OF_BATCHES), tenant, items, readers, random)
        elif not last:
            for item in list(items):
                if random.random() < self.items:
                    self._item(random.choice(OF_ITEMS), tenant, item, readers, random)
        for reader, shown in readers.items():
            self.rows.setdefault((reader, signal), []).extend(row for item in shown for row in item.rows)

    def _say(self, wrong: str, tenant: str, item: Item, reader: str | None = None) -> None:
        self.expected[wrong, item.signal, tenant, reader, item.key] += 1

    def _batch(self, what: str, tenant: str, items: list[Item], readers: dict[str, list[Item]], random: Random) -> None:
        self.applied["batch", what, items[0].signal] += 1
        if what == "reorder":
            random.shuffle(items)
            return
        hit = items[random.randrange(len(items)) :] if what == "truncate" else list(items)
        for item in hit:
            if what == "duplicate":
                self._say("duplicated", tenant, item)
                continue
            self._say("lost", tenant, item)
            if what == "swap tenant":
                self._swap(tenant, item, readers, random=Random(0))
        if what == "duplicate":
            readers[tenant] = items + copy.deepcopy(items)
        else:
            readers[tenant] = items[: len(items) - len(hit)]

    def _swap(self, tenant: str, item: Item, readers: dict[str, list[Item]], random: Random) -> None:
        reader = random.choice([other for other in TENANTS if other != tenant])
        readers.setdefault(reader, []).append(item)
        self._say("leaked", tenant, item, reader)

    def _item(self, what: str, tenant: str, item: Item, readers: dict[str, list[Item]], random: Random) -> None:
        self.applied["item", what, item.signal] += 1
        own = readers[tenant]
        simple: dict[str, Callable[[], None]] = {
            "duplicate": lambda: own.append(Item(item.signal, copy.deepcopy(item.rows))),
            "drop": lambda: own.remove(item),
            "reorder": lambda: own.append(own.pop(own.index(item))),
        }
        if what in simple:
            simple[what]()
            if what != "reorder":
                self._say("lost" if what == "drop" else "duplicated", tenant, item)
        elif what == "swap tenant":
            own.remove(item)
            self._say("lost", tenant, item)
            self._swap(tenant, item, readers, random)
        elif what == "flip content":
            flip_content(item, random)
            self._say("corrupt", tenant, item)
        elif what == "truncate":
            self._say("corrupt" if truncate(item, random) else "lost", tenant, item)
        else:
            flip_identity(item, random)
            self._say("lost", tenant, item)
            for row in item.rows:
                self.expected["forged", item.signal, tenant, tenant, forged_key(item.signal, row)] += 1
