"""A list of runs as a sequence that is read by place: what a table with a scroll bar needs.

The ids (16 bytes each) are kept, the rows are fetched for the places that are looked at; so a jump to row 90,000
costs the same as one to row 0, without OFFSET.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import Any

from sqlalchemy import select

from runners.results.filters import Filter
from runners.results.models import Execution
from runners.results.queries import ITEM, item
from runners.results.store import Store

_BATCH = 5000
_KEPT = 2000


class RunPages:
    """The top-level runs that match an expression, at the moment of asking; `refresh` asks again."""

    def __init__(self, store: Store, expression: str = "", *, newest_first: bool = True) -> None:
        """Raises UsageError for the expression."""
        self._store, self._filter, self._newest_first = store, Filter(expression), newest_first
        self._ids: list[bytes] = []
        self._rows: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self.refresh()

    def __len__(self) -> int:
        return len(self._ids)

    def refresh(self) -> None:
        """Read the ids anew, in batches by keyset; rows are forgotten."""
        self._ids, self._rows = [], OrderedDict()
        last: str | None = None
        key = Execution.id
        columns = ITEM if self._filter.text else (key,)
        while True:
            query = select(*columns).where(Execution.parent_id.is_(None), self._filter.condition())
            if last is not None:
                query = query.where(key < last if self._newest_first else key > last)
            query = query.order_by(key.desc() if self._newest_first else key.asc()).limit(_BATCH)
            with self._store.read() as connection:
                found = connection.execute(query)
                if self._filter.text:
                    rows = found.all()
                    names = [row.id for row in rows if self._filter.matches(item(row))]
                    count, last = len(rows), rows[-1].id if rows else None
                else:
                    names = list(found.scalars())
                    count, last = len(names), names[-1] if names else None
            self._ids += [bytes.fromhex(name.replace("-", "")) for name in names]
            if count < _BATCH:
                return

    def rows(self, start: int, count: int) -> list[dict[str, Any]]:
        """The items at these places; a run that was removed meanwhile is left out."""
        wanted = self._ids[max(0, start) : max(0, start) + count]
        missing = [str(uuid.UUID(bytes=name)) for name in wanted if name not in self._rows]
        for at in range(0, len(missing), 500):
            with self._store.read() as connection:
                for row in connection.execute(select(*ITEM).where(Execution.id.in_(missing[at : at + 500]))):
                    self._rows[uuid.UUID(row.id).bytes] = item(row)
        result = [self._rows[name] for name in wanted if name in self._rows]
        while len(self._rows) > max(_KEPT, count):
            self._rows.popitem(last=False)
        return result
