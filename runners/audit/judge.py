"""The judgement: every item read is matched with the one that was sent; what is left over, missing or wrong is named.

    acknowledged   must be there exactly once
    unknown        may be there once
    rejected       must not be there
    partial(n)     all but n must be there; the n must not, unless an attempt without an answer may have stored them
    markers        of series that have ended: no store shows them, so nothing is said of them, whatever became of their request;
                   what is shown in the place of one is corrupt

Pure: it reads nothing and knows no platform. Items are looked at many at a time: who they are is found in columns (`census`),
what they say is compared with the items made again. Memory is one byte per item seen and the items of a few ticks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from runners.audit.census import Census, Integers, Located, Slice
from runners.audit.content import Document, Pieces, claim, id_of, intact, marked
from runners.audit.source import Source, of_markers
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.items import SIGNALS, TENANT_ATTRIBUTE, Histogram, Signal, moment
from runners.ledger.mixing import U64
from runners.ledger.reader import Fate, totals
from runners.ledger.sight import WHOLE, Sight

Wrong = Literal["lost", "duplicated", "duplicated_by_retry", "leaked", "corrupt", "forged", "stored_though_rejected"]
WRONG: tuple[Wrong, ...] = (
    "lost", "duplicated", "duplicated_by_retry", "leaked", "corrupt", "forged", "stored_though_rejected",
)  # fmt: skip
# A listing that leaks shows every item of every other tenant: all are counted, the first ones say enough.
_NAMED_LEAKS = 10_000
_AT_ONCE = 4096
_DIGITS = {"logs": 32, "traces": 16}
_HEX = re.compile("[0-9a-fA-F]+")


class Finding(NamedTuple):
    """One item that is not as it should be. tenant: whose it is (of a forged one: who can read it).

    reader: who can read it though it is another's; copies: how many there are; batch: None for a forged one; why: what is
    known of the cause.
    """

    wrong: Wrong
    signal: Signal
    tenant: str
    key: dict[str, Any]
    time: int
    batch: Batch | None = None
    reader: str | None = None
    copies: int = 0
    why: str = ""


@dataclass
class Counts:
    """Items of one tenant and signal. unseen: what the store cannot show; not_observable: acknowledged items of which
    something cannot be seen; markers: those of these that say that a series has ended."""

    sent: int = 0
    acked: int = 0
    rejected: int = 0
    unknown: int = 0
    found: int = 0
    wrong: dict[Wrong, int] = field(default_factory=lambda: dict.fromkeys(WRONG, 0))
    not_observable: int = 0
    markers: int = 0
    unseen: frozenset[Wrong] = frozenset()

    def add(self, other: Counts) -> None:
        self.sent += other.sent
        self.acked += other.acked
        self.rejected += other.rejected
        self.unknown += other.unknown
        self.found += other.found
        self.not_observable += other.not_observable
        self.markers += other.markers
        self.unseen |= other.unseen
        for name, number in other.wrong.items():
            self.wrong[name] += number

    def to_json(self) -> dict[str, int | None]:
        # What was seen all the same is told; what was not seen may be there.
        wrong = {str(name): number or (None if name in self.unseen else 0) for name, number in self.wrong.items()}
        return {
            "sent": self.sent, "acked": self.acked, "rejected": self.rejected, "unknown": self.unknown,
            "found": self.found, **wrong, "not_observable": self.not_observable,
            **({"markers": self.markers} if self.markers else {}),
        }  # fmt: skip


class Judge:
    """Feed it everything that each tenant can read (`take`), then ask for `findings`, and then for `counts`."""

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
        self.census = Census(source, fates)
        self._waiting: list[Document] = []
        self._whose: tuple[str, Signal] = ("", "logs")
        self._pieces: dict[Slice, dict[int, Integers]] = {}  # how often each sample of an item that is shown as several
        self._told: set[tuple[Wrong, Slice, int, str]] = set()  # of these: an item is said to be wrong once
        self._findings: list[Finding] = []
        self._counts = {(tenant, signal): Counts() for tenant in self._tenants for signal in SIGNALS}
        own: dict[tuple[str, Signal], list[Fate]] = {key: [] for key in self._counts}
        for batch, fate in fates.items():
            own[self._tenants[batch.tenant], batch.signal].append(fate)
        for (tenant, signal), counts in self._counts.items():
            sums = totals(own[tenant, signal])
            counts.sent, counts.acked, counts.rejected, counts.unknown = (
                sums.sent, sums.acked, sums.rejected, sums.unknown,
            )  # fmt: skip
            if hidden := _unseen(self._sights[signal]):
                counts.unseen, counts.not_observable = hidden, sums.acked

    def take(self, reader: str, signal: Signal, item: Document) -> None:
        """One item that tenant `reader` can read. Items of other runs are nobody's business here."""
        if self._whose != (reader, signal) or len(self._waiting) >= _AT_ONCE:
            self._look()
            self._whose = reader, signal
        self._waiting.append(item)

    def findings(self) -> list[Finding]:
        """Everything wrong, once all was taken. Call it once; fills the counts too."""
        self._look()
        for key in self.census.slices():
            torn = self._whole(key)
            copies = self.census.copies(key)
            part = self._source.part_of(np.arange(len(copies)), len(copies), self._source.ended(*key))
            for number in self.census.parts(key):
                first, end = np.searchsorted(part, (number, number + 1)).tolist()
                self._settle(key, self._fates[Batch(*key, number)], first, copies[first:end], torn)
        return self._findings

    def counts(self) -> dict[tuple[str, Signal], Counts]:
        return self._counts

    def _look(self) -> None:
        """At all that waits."""
        documents, (reader, signal) = self._waiting, self._whose
        if not documents:
            return
        self._waiting = []
        tenant, number = self._claims(signal, documents)
        sent = np.zeros(len(documents), bool)
        for located in self.census.locate(signal, tenant, number):
            sent[located.which] = True
            if self._tenants[located.key[0]] == reader:
                self._own(located, documents)
            else:
                self._leaked(located, reader)
        sight = self._sights[signal]
        for index in np.flatnonzero(~sent).tolist():
            # A span id has no check word of its own: without the mark it is some other program's.
            if marked(self._source, documents[index], sight) or (signal == "logs" and tenant[index] >= 0):
                self._forged(reader, signal, documents[index])

    def _claims(self, signal: Signal, documents: Sequence[Document]) -> tuple[Integers, U64]:
        """(tenant, number) that each item's identity names; the tenant is -1 where it is none of this run."""
        if signal == "metrics":
            found = [claim(self._source, signal, one, self._sights[signal]) or (-1, 0) for one in documents]
            pairs = np.array(found, np.int64)
            return pairs[:, 0], pairs[:, 1].astype(np.uint64)
        digits = _DIGITS[signal]
        told = [id_of(signal, one.get("content") or {}, self._sights[signal]) for one in documents]
        joined = "".join(text if isinstance(text, str) and len(text) == digits else "?" for text in told)
        if len(joined) == digits * len(told) and _HEX.fullmatch(joined):
            return self.census.named(signal, bytes.fromhex(joined))
        right = [
            i for i, text in enumerate(told) if isinstance(text, str) and len(text) == digits and _HEX.fullmatch(text)
        ]
        tenant, number = np.full(len(told), -1), np.zeros(len(told), np.uint64)
        if right:
            ids = bytes.fromhex("".join(str(told[index]) for index in right))
            tenant[right], number[right] = self.census.named(signal, ids)
        return tenant, number

    def _own(self, located: Located, documents: Sequence[Document]) -> None:
        """Items that their own tenant reads."""
        key = located.key
        items, sight = self._source.slice(*key), self._sights[key[1]]
        if key[1] != "metrics":
            self.census.add(key, located.indexes)
            for which, index in zip(located.which.tolist(), located.indexes.tolist(), strict=True):
                if not intact(documents[which], items[index], sight):
                    self._wrong("corrupt", key, index)
            return
        single: list[int] = []
        markers = len(items) - self._source.ended(*key)
        shown: dict[int, Pieces] = {}
        for which, index in zip(located.which.tolist(), located.indexes.tolist(), strict=True):
            sent = items[index]
            if index >= markers:
                if self._once("corrupt", key, index):
                    single.append(index)
                continue
            if not isinstance(sent, Histogram):
                single.append(index)
                if not intact(documents[which], sent, sight):
                    self._wrong("corrupt", key, index)
                continue
            pieces = shown.get(index) or shown.setdefault(index, Pieces(sent))
            place = pieces.place(documents[which])
            seen = self._pieces.setdefault(key, {})
            if index not in seen:
                seen[index] = np.zeros(len(pieces), np.int64)
            if place >= 0:
                seen[index][place] += 1
            if not pieces.intact(documents[which], place, sight):
                self._once("corrupt", key, index)
        if single:
            self.census.add(key, np.array(single, np.int64))

    def _leaked(self, located: Located, reader: str) -> None:
        key = located.key
        counts = self._counts[self._tenants[key[0]], key[1]].wrong
        if counts["leaked"] >= _NAMED_LEAKS and key[1] != "metrics":
            counts["leaked"] += len(located.which)
            return
        items = self._source.slice(*key)
        for index in located.indexes.tolist():
            if isinstance(items[index], Histogram):
                self._once("leaked", key, index, reader)
            elif counts["leaked"] < _NAMED_LEAKS:
                self._wrong("leaked", key, index, reader)
            else:
                counts["leaked"] += 1

    def _whole(self, key: Slice) -> frozenset[int]:
        """Count the items of a slice that are shown as several samples; returns those of which only some are there."""
        torn, whole = [], []
        for index, seen in self._pieces.get(key, {}).items():
            # All of it is there, or it is not there: the rest of an item is no item.
            if seen.min():
                whole += [index] * int(seen.max())
            elif seen.max():
                torn.append(index)
        if whole:
            self.census.add(key, np.array(whole, np.int64))
        return frozenset(torn)

    def _settle(self, key: Slice, fate: Fate, first: int, copies: Integers, torn: frozenset[int]) -> None:
        """first: index of the first item of the request; copies: of each of its items."""
        counts = self._counts[self._tenants[key[0]], key[1]]
        present = int(np.count_nonzero(copies))
        counts.found += present
        if of_markers(self._source, fate.batch):
            self._settle_markers(key, fate, counts, (first + np.flatnonzero(copies)).tolist())
            return
        if fate.outcome is Outcome.ACKED:
            missing = len(copies) - present
        elif fate.outcome is Outcome.PARTIAL:
            missing = max(0, fate.items - fate.refused_items - present)
            # An attempt without an answer, before it, may have stored what this one refused.
            if not fate.unknown and (more := present - (fate.items - fate.refused_items)) > 0:
                self._name("stored_though_rejected", key, (first + np.flatnonzero(copies))[-more:].tolist())
        elif fate.outcome is Outcome.UNKNOWN:
            missing = 0
        else:
            missing = 0
            there = set((first + np.flatnonzero(copies)).tolist())
            there |= {index for index in torn if first <= index < first + len(copies)}
            self._name("stored_though_rejected", key, sorted(there))
        if missing:
            # Which ones a partial success refused is not said: as many as are missing, from the first absent one.
            self._name("lost", key, (first + np.flatnonzero(copies == 0))[:missing].tolist())
        for index in np.flatnonzero(copies > 1).tolist():
            self._duplicated(key, fate, first + index, int(copies[index]))

    def _settle_markers(self, key: Slice, fate: Fate, counts: Counts, shown: Sequence[int]) -> None:
        """Of a request of markers. shown: those in whose place something is."""
        if fate.outcome in (Outcome.ACKED, Outcome.PARTIAL):
            refused = fate.refused_items if fate.outcome is Outcome.PARTIAL else 0
            hidden = max(0, fate.items - refused - len(shown))
            counts.markers += hidden
            if not counts.unseen:  # else all that was acknowledged is not observable in some way
                counts.not_observable += hidden
        elif fate.outcome is not Outcome.UNKNOWN:
            self._name("stored_though_rejected", key, shown)

    def _duplicated(self, key: Slice, fate: Fate, index: int, number: int) -> None:
        explained = 0 if self._honoured else min(number - 1, max(0, fate.copies - 1))
        self._name("duplicated", key, [index] * (number - 1 - explained), number)
        self._name("duplicated_by_retry", key, [index] * explained, number)

    def _name(self, wrong: Wrong, key: Slice, indexes: Sequence[int], copies: int = 0) -> None:
        for index in indexes:
            self._wrong(wrong, key, index, copies=copies)

    def _once(self, wrong: Wrong, key: Slice, index: int, reader: str = "") -> bool:
        """Was it not said before?"""
        if (wrong, key, index, reader) in self._told:
            return False
        self._told.add((wrong, key, index, reader))
        self._wrong(wrong, key, index, reader or None)
        return True

    def _wrong(self, wrong: Wrong, key: Slice, index: int, reader: str | None = None, *, copies: int = 0) -> None:
        items = self._source.slice(*key)
        item, batch = items[index], Batch(*key, self._source.part_of(index, len(items), self._source.ended(*key)))
        self._add(Finding(wrong, key[1], self._tenants[key[0]], item.key(), moment(item), batch, reader, copies))

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


def _unseen(sight: Sight) -> frozenset[Wrong]:
    """What cannot be found in a store that shows no more than this."""
    names: tuple[tuple[bool, tuple[Wrong, ...]], ...] = (
        (sight.duplicates, ("duplicated", "duplicated_by_retry")), (sight.leaks, ("leaked",)), (sight.strangers, ("forged",)),
    )  # fmt: skip
    return frozenset(name for seen, hidden in names if not seen for name in hidden)
