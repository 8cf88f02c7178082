"""Walks over a store that gives out its range in parts of any size: nothing is lost, nothing is repeated, order is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observastack.backend.sources import SourceFailed
from observastack.backend.stores.ports import Position, Row, Selected, Wanted
from observastack.backend.stores.remote import walk as walking
from observastack.backend.stores.remote.walk import Part, Walk

rows = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=40, unique=True)


class Choppy:
    """A Reader that stops wherever the data says, but never without progress."""

    def __init__(self, stored: list[Row], data: st.DataObject) -> None:
        self._stored, self._data = stored, data

    async def __call__(self, first: int, last: int, *, descending: bool, **_: Any) -> Part:
        low, high, edge = first, last, None
        if last - first > 1 and self._data.draw(st.booleans()):
            edge = self._data.draw(st.integers(first + 1, last - 1))
            low, high = (edge, last) if descending else (first, edge)
        inside = [row for row in self._stored if low <= row[0] < high]
        return Part(sorted(inside, key=lambda row: row[:2], reverse=descending), edge)


@given(data=st.data(), stored=rows, limit=st.integers(1, 7), descending=st.booleans(), odd=st.booleans())
async def test_a_walk_sees_everything_once_in_order(
    data: st.DataObject, stored: list[tuple[int, int]], limit: int, descending: bool, odd: bool
) -> None:
    items: list[Row] = [(ts, tie, {"odd": tie % 2}) for ts, tie in stored]
    reader = Walk(Choppy(items, data), lambda item: not odd or bool(item["odd"]), 5.0)
    seen: list[Position] = []
    after: Position | None = None
    for _ in range(200):
        page = await walking.page(reader, Wanted(Selected(0, 41), after, descending, limit))
        seen += [row[:2] for row in page.rows]
        if page.complete:
            break
        after = page.frontier
    expected = [row[:2] for row in items if not odd or row[1] % 2]
    assert seen == sorted(expected, reverse=descending)


async def test_an_export_reads_all_parts() -> None:
    class Halves:
        async def __call__(self, first: int, last: int, **_: Any) -> Part:
            half = first + (last - first) // 2
            if half == first:
                return Part([(first, 0, {"at": first})])
            return Part([(at, 0, {"at": at}) for at in range(first, half)], half)

    reader = Walk(Halves(), lambda _: True, 5.0)
    async with walking.export(reader, Selected(0, 100)) as batches:
        assert [ts async for batch in batches for ts, _ in batch] == list(range(100))


async def test_an_export_begins_in_time_though_the_store_needs_long_for_each_item() -> None:
    class Slow:
        """Gives as many items as are wanted, each of which takes 0.1 s; what does not fit into the time fails."""

        async def __call__(self, first: int, last: int, *, wanted: int, timeout_s: float, **_: Any) -> Part:
            end = min(last, first + wanted)
            if (end - first) * 0.1 > timeout_s:
                raise SourceFailed("took too long", "timeout")
            return Part([(at, 0, {"at": at}) for at in range(first, end)], None if end == last else end)

    reader = Walk(Slow(), lambda _: True, 5.0)
    async with walking.export(reader, Selected(0, 300)) as batches:
        assert [ts async for batch in batches for ts, _ in batch] == list(range(300))


async def test_a_store_that_fails_after_the_first_part_leaves_what_was_found() -> None:
    class Failing:
        calls = 0

        async def __call__(self, first: int, last: int, **_: Any) -> Part:
            self.calls += 1
            if self.calls == 2:
                raise SourceFailed("took too long", "timeout")
            return Part([(last - 1, 0, {})], last - 1)

    found = await walking.page(Walk(Failing(), lambda _: True, 5.0), Wanted(Selected(0, 100), None, True, 10))
    assert [row[:2] for row in found.rows] == [(99, 0)]
    assert not found.complete
    assert found.frontier is not None and found.frontier[0] == 99
    with pytest.raises(SourceFailed):
        await walking.page(_failing_at_once(), Wanted(Selected(0, 100), None, True, 10))


def _failing_at_once() -> Walk:
    async def read(first: int, last: int, **_: Any) -> Part:
        raise SourceFailed("took too long", "timeout")

    return Walk(read, lambda _: True, 5.0)


async def test_the_budget_ends_a_page_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "PAGE_BUDGET_S", 0.0)

    async def read(first: int, last: int, **_: Any) -> Part:
        return Part([(last - 1, 0, {})], last - 1)

    found = await walking.page(Walk(read, lambda _: True, 5.0), Wanted(Selected(0, 100), None, True, 10))
    assert len(found.rows) < 10
    assert not found.complete
