"""The base of everything that is drawn: a widget is a list of lines, rebuilt when something changed, painted by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.render import look
from tui.render.look import Line, join, strip

if TYPE_CHECKING:
    from tui.app import ControlCenter


class Paint(Widget):
    """Subclasses give `lines`; `touch` says that they would be different now."""

    ALLOW_SELECT = False
    _revision = 0
    _built: tuple[tuple[object, ...], list[Strip]] | None = None

    def lines(self, cells: int, height: int) -> list[Line]:
        raise NotImplementedError(type(self).__name__)

    def touch(self) -> None:
        self._revision += 1
        self.refresh()

    def render_line(self, y: int) -> Strip:
        cells, height = self.size
        key = (cells, height, look.Look.theme, self._revision, self.has_focus)
        if self._built is None or self._built[0] != key:
            self._built = (key, [strip(line, cells) for line in self.lines(cells, height)])
        rows = self._built[1]
        return rows[y] if y < len(rows) else strip([], cells)

    @property
    def center(self) -> ControlCenter:
        """The app, with its type."""
        from tui.app import ControlCenter

        assert isinstance(self.app, ControlCenter)
        return self.app


class Panel(Paint, can_focus=True):
    """A heading row (title, rule, its figures on the right; the focus mark is not only a colour), then body lines."""

    DEFAULT_CSS = "Panel { height: 1fr; width: 1fr; }"

    class Focused(Message):
        """The message row and the key row speak of another panel now."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Panel.Focused)

    name_text: ClassVar[str] = ""
    about: ClassVar[str] = ""
    keys: ClassVar[tuple[tuple[str, str], ...]] = ()

    def title(self) -> str:
        return self.name_text

    def figures(self, cells: int) -> Line:
        return []

    def body(self, cells: int, height: int) -> list[Line]:
        return []

    def cli(self) -> str:
        """The command line that shows the same."""
        return ""

    def lines(self, cells: int, height: int) -> list[Line]:
        focus = self.has_focus
        left: Line = [
            ("▌" if focus else " ", "accent.b"),
            (self.title(), "accent.b" if focus else "text.b"),
            (" ", "rule"),
        ]
        right = self.figures(cells)
        if right:
            right = [(" ", "rule"), *right]
        heading = join(left, right, cells, ("━" if focus else "─", "accent" if focus else "rule"))
        body = self.body(cells, height - 1)
        if len(body) > height - 1 > 0:
            hidden = len(body) - height + 2
            body[height - 2 :] = [[(f"  ↓ {hidden} more lines", "dim")]]
        return [heading, *body]

    def on_focus(self) -> None:
        """Textual calls this of every class in the line: derived ones must not call it again."""
        self.touch()
        self.post_message(self.Focused())

    def on_blur(self) -> None:
        self.touch()


def sentences(glyph: str, token: str, fact: str, *rest: str) -> list[Line]:
    """What an empty, loading or failed panel says: the fact, what it takes, what is not affected."""
    lines: list[Line] = [[], [(f"  {glyph} ", f"{token}.b"), (fact, "text.b")]]
    lines += [[("    " + text, "dim")] for text in rest if text]
    return lines
