"""The judgement of the audit, item by item and without columns: what `runners.audit.judge` must come to as well.

    acknowledged   must be there exactly once
    unknown        may be there once
    rejected       must not be there
    partial(n)     all but n must be there; the n must not, unless an attempt without an answer may have stored them

Pure: it reads nothing and knows no platform. Memory is one counter per item sent and the items of a few ticks.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from runners.audit.judge import Counts, Finding, Wrong
from runners.audit.source import Source
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.items import SIGNALS, TENANT_ATTRIBUTE, Item, Signal, moment
from runners.ledger.reader import Fate, totals
from runners.ledger.sight import WHOLE, Sight
from tests.unit.audit.plain_content import Document, claim, intact, marked, piece

_KEPT_SLICES = 48
_NAMED_LEAKS = 10_000
_MOST = 65535

Slice = tuple[int, Signal, int]


class _Expected(NamedTuple):
    """A slice, made again: number → (index, part, item)."""

    items: dict[int, tuple[int, int, Item]]
    size: int


class PlainJudge:
    """Feed it everything that each tenant can read (`take`), then ask for `findings` and `counts`."""

    def __init__(
        self,
        source: Source,
        fates: Mapping[Batch, Fate],
        *,
        honoured: bool,
        sights: Mapping[Signal, Sight] | None = None,
    ) -> None:
        """honoured: does the target promise that a repeated Idempotency-Key stores nothing twice? sights: what the store of
        each signal can show; everything, where nothing else is said."""
        self._source, self._fates, self._honoured = source, fates, honoured
        self._sights = dict.fromkeys(SIGNALS, WHOLE) | dict(sights or {})
        self._tenants = source.identity.tenants
        self._copies: dict[Slice, array[int]] = {}
        self._pieces: dict[Slice, dict[int, array[int]]] = {}  # of items that are shown as several samples
        self._torn: dict[Slice, set[int]] = {}  # those of which only some are there
        self._slices: OrderedDict[Slice, _Expected] = OrderedDict()
        self._findings: list[Finding] = []
        self._counts = {(tenant, signal): Counts() for tenant in self._tenants for signal in SIGNALS}
        for tenant in range(len(self._tenants)):
            for signal in SIGNALS:
                own = [fate for batch, fate in fates.items() if (batch.tenant, batch.signal) == (tenant, signal)]
                sums, counts = totals(own), self._counts[self._tenants[tenant], signal]
                counts.sent, counts.acked, counts.rejected, counts.unknown = (
                    sums.sent, sums.acked, sums.rejected, sums.unknown,
                )  # fmt: skip
                if not self._sights[signal].duplicates:
                    counts.unseen, counts.not_observable = frozenset(("duplicated", "duplicated_by_retry")), sums.acked
        for batch in fates:
            key = (batch.tenant, batch.signal, batch.tick)
            if key not in self._copies:
                self._copies[key] = array("H", bytes(2 * source.count(*key)))

    def take(self, reader: str, signal: Signal, item: Document) -> None:
        """One item that tenant `reader` can read. Items of other runs are nobody's business here."""
        sight = self._sights[signal]
        who = claim(self._source, signal, item, sight)
        if who is None:
            if marked(self._source, item, sight):
                self._forged(reader, signal, item)
            return
        owner, number = who
        tick: int | None = int(self._source.ticks_of(owner, signal, np.array([number], np.uint64))[0])
        tick = None if tick == -1 else tick
        found = None
        if tick is not None and (owner, signal, tick) in self._copies:
            found = self._expected((owner, signal, tick)).items.get(number)
        if tick is None or found is None or (batch := Batch(owner, signal, tick, found[1])) not in self._fates:
            # A span id has no check word of its own: without the mark it is some other program's.
            if marked(self._source, item, sight) or signal == "logs":
                self._forged(reader, signal, item)
            return
        index, _, sent = found
        name = self._tenants[owner]
        if name != reader:
            leaks = self._counts[name, signal].wrong
            if leaks["leaked"] < _NAMED_LEAKS:
                self._add(Finding("leaked", signal, name, sent.key(), moment(sent), batch, reader))
            else:
                leaks["leaked"] += 1
            return
        copies = self._copies[owner, signal, tick]
        place, pieces = piece(item, sent)
        if pieces == 1:
            copies[index] = min(copies[index] + 1, _MOST)
        else:
            seen = self._pieces.setdefault((owner, signal, tick), {}).setdefault(index, array("H", bytes(2 * pieces)))
            if place >= 0:
                seen[place] = min(seen[place] + 1, _MOST)
        if not intact(item, sent, sight):
            self._add(Finding("corrupt", signal, name, sent.key(), moment(sent), batch))

    def findings(self) -> list[Finding]:
        """Everything wrong, once all was taken. Call it once; fills the counts too."""
        by_slice: dict[Slice, list[Fate]] = {}
        for batch, fate in self._fates.items():
            by_slice.setdefault((batch.tenant, batch.signal, batch.tick), []).append(fate)
        for key, fates in by_slice.items():
            copies = self._copies[key]
            for index, seen in self._pieces.get(key, {}).items():
                # All of it is there, or it is not there: the rest of an item is no item.
                copies[index] = max(seen) if min(seen) else 0
                if not min(seen) and max(seen):
                    self._torn.setdefault(key, set()).add(index)
            for fate in fates:
                part = self._indexes(len(copies), fate.batch.part)
                self._settle(key, fate, [(index, copies[index]) for index in part])
        return self._findings

    def counts(self) -> dict[tuple[str, Signal], Counts]:
        return self._counts

    def _settle(self, key: Slice, fate: Fate, copies: list[tuple[int, int]]) -> None:
        counts = self._counts[self._tenants[fate.batch.tenant], fate.batch.signal]
        present = sum(1 for _, number in copies if number)
        counts.found += present
        if fate.outcome is Outcome.ACKED:
            missing = len(copies) - present
        elif fate.outcome is Outcome.PARTIAL:
            missing = max(0, fate.items - fate.refused_items - present)
            if not fate.unknown and (more := present - (fate.items - fate.refused_items)) > 0:
                self._name(key, fate, "stored_though_rejected", [i for i, number in copies if number][-more:])
        elif fate.outcome is Outcome.UNKNOWN:
            missing = 0
        else:
            missing = 0
            torn = self._torn.get(key, set())
            if there := [index for index, number in copies if number or index in torn]:
                self._name(key, fate, "stored_though_rejected", there)
        if missing:
            # Which ones a partial success refused is not said: as many as are missing, from the first absent one.
            self._name(key, fate, "lost", [index for index, number in copies if not number][:missing])
        for index, number in copies:
            if number > 1:
                self._duplicated(key, fate, index, number)

    def _duplicated(self, key: Slice, fate: Fate, index: int, number: int) -> None:
        explained = 0 if self._honoured else min(number - 1, max(0, fate.copies - 1))
        self._name(key, fate, "duplicated", [index] * (number - 1 - explained), number)
        self._name(key, fate, "duplicated_by_retry", [index] * explained, number)

    def _name(self, key: Slice, fate: Fate, wrong: Wrong, indexes: list[int], copies: int = 0) -> None:
        if not indexes:
            return
        items = self._source.slice(*key)
        tenant = self._tenants[key[0]]
        for index in indexes:
            item = items[index]
            self._add(Finding(wrong, key[1], tenant, item.key(), moment(item), fate.batch, copies=copies))

    def _indexes(self, size: int, part: int) -> Iterator[int]:
        return (index for index in range(size) if self._source.part_of(index, size) == part)

    def _expected(self, key: Slice) -> _Expected:
        found = self._slices.get(key)
        if found is None:
            items = self._source.slice(*key)
            size = len(items)
            found = _Expected(
                {item.seq: (index, self._source.part_of(index, size), item) for index, item in enumerate(items)}, size
            )
            self._slices[key] = found
            if len(self._slices) > _KEPT_SLICES:
                self._slices.popitem(last=False)
        return found

    def _forged(self, reader: str, signal: Signal, item: Document) -> None:
        content = item.get("content") or {}
        key = {"time_unix_nano": item.get("time_unix_nano")}
        names = {"logs": ("body",), "traces": ("span_id", "name"), "metrics": ("name", "attributes")}[signal]
        # A tenant that the run does not write for has no counts: what it sees is held against the one it names.
        named = (content.get("resource") or {}).get(TENANT_ATTRIBUTE)
        tenant = next((name for name in (reader, named) if name in self._tenants), self._tenants[0])
        key |= {name: content.get(name) for name in names}
        if signal != "metrics":
            key["trace_id"] = item.get("trace_id")
        time = str(item.get("time_unix_nano") or "0")
        self._add(Finding("forged", signal, tenant, key, int(time) if time.isdigit() else 0, reader=reader))

    def _add(self, finding: Finding) -> None:
        self._findings.append(finding)
        self._counts[finding.tenant, finding.signal].wrong[finding.wrong] += 1
