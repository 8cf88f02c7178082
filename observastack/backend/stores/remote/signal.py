"""A signal store made of a Reader and a predicate: the part of every adapter that is the same."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from observastack.backend.sources import SourceName
from observastack.backend.stores.ports import Aggregated, Buckets, Found, Item, Line, Selected, Tenant, Wanted
from observastack.backend.stores.remote.predicate import Predicate
from observastack.backend.stores.remote.walk import Reader, Walk, aggregate, export, page


class RemoteSignal:
    """SignalStore of a source whose parts `reader` reads."""

    implementation: str

    def __init__(self, source: SourceName, timeout_s: float) -> None:
        self._source, self._timeout_s = source, timeout_s

    def reader(self, tenant: Tenant, selected: Selected) -> Reader:
        raise NotImplementedError

    def predicate(self, selected: Selected) -> Predicate:
        raise NotImplementedError

    def field(self, name: str) -> Callable[[Item], Any] | None:
        raise NotImplementedError

    def check(self, selected: Selected) -> None:
        self.predicate(selected)

    async def page(self, tenant: Tenant, wanted: Wanted) -> Found:
        return await page(self._walk(tenant, wanted.selected), wanted)

    def export(
        self, tenant: Tenant, selected: Selected
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[list[Line]]]:
        return export(self._walk(tenant, selected), selected)

    async def aggregate(
        self, tenant: Tenant, selected: Selected, buckets: Buckets, fields: Sequence[str]
    ) -> Aggregated:
        readers = {name: self.field(name) for name in fields}
        return await aggregate(self._walk(tenant, selected), self._source, selected, buckets, readers)

    def _walk(self, tenant: Tenant, selected: Selected) -> Walk:
        return Walk(self.reader(tenant, selected), self.predicate(selected), self._timeout_s)
