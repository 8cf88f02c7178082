"""A table that knows only how many rows there are and asks for the pages it shows: a million rows cost as a hundred."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.render.look import Line
from tui.render.tables import Cell, Column, header, row
from tui.widgets.paint import Panel, sentences

Row = TypeVar("Row")
Item = TypeVar("Item")
Row_co = TypeVar("Row_co", covariant=True)


class Source(Protocol[Row_co]):
    """Rows by position."""

    def __len__(self) -> int: ...

    def rows(self, start: int, count: int) -> Sequence[Row_co]: ...


class ListSource(Generic[Row]):
    """A source over rows that are at hand."""

    def __init__(self, items: Sequence[Row]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, start: int, count: int) -> Sequence[Row]:
        return self._items[start : start + count]


class PagedTable(Panel, Generic[Row]):
    """Subclasses give `columns`, `cells_of(row)` and the texts of the empty table. The cursor is the only selection.

    Pages are read when they are painted, from a source that answers within milliseconds; the last ones are kept.
    """

    PAGE = 200
    KEPT = 16
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False), Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "page(1)", show=False), Binding("pageup", "page(-1)", show=False),
        Binding("home", "move(-1000000000)", show=False), Binding("end", "move(1000000000)", show=False),
        Binding("enter", "open", show=False),
    ]  # fmt: skip
    columns: ClassVar[Sequence[Column]] = ()

    class Chosen(Message, Generic[Item]):
        """The row under the cursor changed; row is None in an empty table."""

        def __init__(self, table: PagedTable[Item], row: Item | None) -> None:
            super().__init__()
            self.table, self.row = table, row

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, PagedTable.Chosen)

    class Opened(Message, Generic[Item]):
        """Enter, or a second click, on a row."""

        def __init__(self, table: PagedTable[Item], row: Item) -> None:
            super().__init__()
            self.table, self.row = table, row

    def __init__(self, identity: str) -> None:
        super().__init__(id=identity)
        self.cursor = self.top = 0
        self.reads = 0
        self._source: Source[Row] | None = None
        self._pages: OrderedDict[int, Sequence[Row]] = OrderedDict()

    def cells_of(self, item: Row) -> Sequence[Cell]:
        raise NotImplementedError(type(self).__name__)

    def empty(self) -> list[Line]:
        return sentences("·", "dim", "Nothing here")

    def reading(self) -> list[Line]:
        return sentences("◔", "accent", "Reading …")

    def show(self, source: Source[Row], *, keep: bool = False) -> None:
        """Show these rows; keep: the cursor stays where it is, as far as there are rows."""
        self._source = source
        self._pages.clear()
        self.cursor = min(self.cursor, max(0, len(source) - 1)) if keep else 0
        self.top = self.top if keep else 0
        self.touch()
        self.post_message(self.Chosen(self, self.current()))

    def __len__(self) -> int:
        return 0 if self._source is None else len(self._source)

    def at(self, position: int) -> Row:
        number, offset = divmod(position, self.PAGE)
        page = self._pages.get(number)
        if page is None:
            assert self._source is not None
            self.reads += 1
            page = self._pages[number] = self._source.rows(number * self.PAGE, self.PAGE)
            while len(self._pages) > self.KEPT:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(number)
        return page[offset]

    def current(self) -> Row | None:
        return self.at(self.cursor) if len(self) else None

    def body(self, cells: int, height: int) -> list[Line]:
        if self._source is None:
            return self.reading()
        if not len(self):
            return self.empty()
        room = max(1, height - 1)
        self.top = max(0, min(self.top, len(self) - room))
        self.top = min(self.top, self.cursor) if self.cursor < self.top else max(self.top, self.cursor - room + 1)
        lines = [header(self.columns, cells)]
        for position in range(self.top, min(len(self), self.top + room)):
            chosen = position == self.cursor
            lines.append(
                row(self.columns, self.cells_of(self.at(position)), cells, chosen=chosen, focus=self.has_focus)
            )
        return lines

    def action_move(self, by: int) -> None:
        if not len(self):
            return
        before, self.cursor = self.cursor, max(0, min(len(self) - 1, self.cursor + by))
        if self.cursor != before:
            self.touch()
            self.post_message(self.Chosen(self, self.current()))

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.size.height - 2))

    def action_open(self) -> None:
        if (item := self.current()) is not None:
            self.post_message(self.Opened(self, item))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def on_click(self, event: events.Click) -> None:
        position = self.top + event.y - 2
        if event.y >= 2 and position < len(self):
            if position == self.cursor:
                self.action_open()
            else:
                self.action_move(position - self.cursor)
