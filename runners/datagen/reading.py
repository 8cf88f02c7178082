"""Where an audit reads a run back from: the platform it was written through, or stores themselves (`--from`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from runners.audit.run import Audit
from runners.audit.source import Source
from runners.audit.stores.loki import LOOK_BACK_NS, LokiReader
from runners.audit.stores.prometheus import PrometheusReader
from runners.audit.stores.tempo import TempoReader
from runners.datagen.stores import Store, parse_store
from runners.ledger.attempt import Batch
from runners.ledger.header import Header
from runners.ledger.items import Signal
from runners.ledger.reader import Fate
from runners.ledger.sight import Sight
from runners.lib.errors import UsageError

PLATFORM = ("http://", "https://")
_FORMS = "loki+URL, prw+URL or tempo+URL"


class _Reader(Protocol):
    @property
    def sight(self) -> Sight: ...

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]: ...

    def close(self) -> None: ...


class Stores:
    """A reader of several stores, each for its signal."""

    def __init__(self, readers: Mapping[Signal, _Reader]) -> None:
        self._readers = readers

    @property
    def sights(self) -> dict[Signal, Sight]:
        """What each of them can show."""
        return {signal: reader.sight for signal, reader in self._readers.items()}

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        """See `audit.reader.Reader`; for signals that one of them keeps."""
        return self._readers[signal].read(tenant, signal, start_ns, end_ns)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


def parse_stores(texts: Sequence[str]) -> tuple[Store, ...]:
    """Raises UsageError with the valid forms, and for two stores of one signal."""
    found: dict[Signal, Store] = {}
    for text in texts:
        store = parse_store(text)
        if store is None:
            raise UsageError(f"--from {text} is not a store that can be read", remedy=f"write {_FORMS}")
        if store.signal in found:
            raise UsageError(f"--from names two stores of {store.signal}", remedy="audit one after the other")
        found[store.signal] = store
    return tuple(found.values())


def written_to(header: Header) -> tuple[Store, ...]:
    """The stores that a run wrote to itself, the first of each signal; none where it wrote to a platform: that is asked."""
    if any(name.startswith(PLATFORM) for name in header.outlets):
        return ()
    found: dict[Signal, Store] = {}
    for name in header.outlets:
        if (store := parse_store(name)) is not None:
            found.setdefault(store.signal, store)
    return tuple(found.values())


def outlet_of(header: Header, store: Store) -> int:
    """Whose attempts say what that store must have: its own, those of one of its kind (behind another address), those of the
    platform that may have passed them on, or the first."""
    named = [parse_store(name) for name in header.outlets]
    if store in named:
        return named.index(store)
    kinds = [None if one is None else one.kind for one in named]
    return kinds.index(store.kind) if store.kind in kinds else platform_of(header)


def platform_of(header: Header) -> int:
    """The number of the outlet that is a platform, or the first."""
    return next((number for number, name in enumerate(header.outlets) if name.startswith(PLATFORM)), 0)


def hidden(found: Audit, stores: Sequence[Store], now_ns: int) -> int:
    """How many of the lost log records a Loki may have and not show: older than what it looks for in its memory."""
    if not any(store.kind == "loki" for store in stores):
        return 0
    return sum(
        one.wrong == "lost" and one.signal == "logs" and one.time < now_ns - LOOK_BACK_NS for one in found.findings
    )


def open_stores(
    stores: Sequence[Store], source: Source, fates: Mapping[Batch, Fate], *, shared: bool, flush: bool = False,
    patience_s: float = 30.0,
) -> Stores:  # fmt: skip
    """shared: their tenants are one (no header X-Scope-OrgID); flush: tell a Loki to flush first. Raises Unreadable."""
    readers: dict[Signal, _Reader] = {}
    run = source.identity.run
    for store in stores:
        if store.kind == "loki":
            loki = readers["logs"] = LokiReader(store.url, run, shared=shared, patience_s=patience_s)
            if flush:
                loki.flush()
        elif store.kind == "prometheus":
            readers["metrics"] = PrometheusReader(store.url, run, patience_s=patience_s)
        else:
            readers["traces"] = TempoReader(store.url, source, fates, shared=shared, patience_s=patience_s)
    return Stores(readers)
