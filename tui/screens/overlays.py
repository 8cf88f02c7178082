"""Help, launch form and jump letters: over a mode, below the two chrome rows."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Label

from tui.actions import ACTIONS
from tui.gateway import CampaignInfo
from tui.render.look import Line, fit, join
from tui.render.numbers import clock
from tui.widgets.chrome import OverlayChrome
from tui.widgets.paint import Paint, Panel


class Card(Paint):
    """The body of an overlay on the surface colour."""

    DEFAULT_CSS = "Card { height: auto; }"

    def __init__(self, build: Callable[[int], list[Line]]) -> None:
        super().__init__(id="card")
        self._build = build

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._build(width))

    def lines(self, cells: int, height: int) -> list[Line]:
        return [fit(line, cells, "surface") for line in self._build(cells)]


def _bar(text: str, right: str, cells: int) -> Line:
    return join([(f" {text}", "on_accent.b@accent")], [(f"{right} ", "on_accent@accent")], cells, (" ", "text@accent"))


class Help(ModalScreen[None]):
    """Help of the focused panel, and the keys that hold everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,enter", "dismiss", show=False)]

    def __init__(self, panel: Widget | None, mode: str) -> None:
        super().__init__()
        self._panel, self._mode = panel, mode

    def compose(self) -> ComposeResult:
        yield OverlayChrome()
        yield Card(self._lines)

    def _lines(self, cells: int) -> list[Line]:
        panel = self._panel if isinstance(self._panel, Panel) else None
        lines: list[Line] = [_bar(f"? {panel.name_text if panel else self._mode}", "esc closes", cells), []]
        if panel is not None:
            lines += [[("  " + text, "text")] for text in _wrap(panel.about, cells - 4)] + [[]]
        here = [(a.shown, a.text) for a in ACTIONS if self._mode in a.where.split()]
        own = [
            *(panel.keys if panel else ()),
            *(item for item in here if panel is None or item[0] not in dict(panel.keys)),
        ]
        everywhere = [
            (a.shown, a.text)
            for a in ACTIONS
            if (a.where == "everywhere" and a.group != "view")
            or a.name in ("help", "palette", "zoom", "copy", "theme", "jump", "leave")
        ]
        half = cells // 2
        lines.append([("  ", "text"), ("here", "dim.u"), (" " * (half - 6), "text"), ("everywhere", "dim.u")])
        for i in range(max(len(own), len(everywhere))):
            left: Line = [("  ", "text")]
            if i < len(own):
                left += [(f"{own[i][0]:<8}", "accent.b"), (own[i][1], "text")]
            right: Line = []
            if i < len(everywhere):
                key, text = everywhere[i]
                right = [(f"{key:<8}", "failed.b" if "F12" in key else "accent.b"), (text, "text")]
            lines.append([*fit(left, half), *right])
        if panel is not None and panel.cli():
            lines += [[], [("  $ ", "accent"), (panel.cli(), "dim")]]
        return [*lines, []]


def _wrap(text: str, cells: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, cells)


class Launch(ModalScreen[str | None]):
    """Choose a campaign; the equivalent command follows the choice. Returns its name, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False), Binding("enter", "go", show=False),
        Binding("down,j", "move(1)", show=False), Binding("up,k", "move(-1)", show=False),
    ]  # fmt: skip

    def __init__(self, environment: str) -> None:
        super().__init__()
        self._environment = environment
        self._campaigns: list[CampaignInfo] | None = None
        self._at = 0

    def compose(self) -> ComposeResult:
        yield OverlayChrome()
        yield Card(self._lines)

    def show(self, campaigns: list[CampaignInfo]) -> None:
        self._campaigns = campaigns
        self._at = next((i for i, item in enumerate(campaigns) if item.name == "smoke"), 0)
        self._repaint()

    def _repaint(self) -> None:
        card = self.query_one(Card)
        card.touch()
        card.refresh(layout=True)

    def _lines(self, cells: int) -> list[Line]:
        lines: list[Line] = [_bar("▶ New run", "esc closes", cells), []]
        if self._campaigns is None:
            return [*lines, [("  ◔ ", "accent.b"), ("Reading the campaigns …", "text")], []]
        if not self._campaigns:
            return [*lines, [("  · ", "dim.b"), ("No campaign found here or among the shipped ones", "text")], []]
        width = max([14, *(len(item.name) + 2 for item in self._campaigns)])
        for i, item in enumerate(self._campaigns):
            chosen = i == self._at
            left: Line = [
                ("› " if chosen else "  ", "accent.b"),
                (f"{item.name:<{width}}", "text.b"),
                (item.description, "text" if chosen else "dim"),
            ]
            lines.append(
                fit(join(left, [(f" {clock(item.planned_s)} ", "dim")], cells), cells, "sel" if chosen else "surface")
            )
        item = self._campaigns[self._at]
        lines += [
            [],
            [("  stages  ", "dim"), (" · ".join(item.stages), "text")],
            [("  $ ", "accent"), (f"testbed run {item.name} --env {self._environment}", "text")],
            [],
        ]
        lines.append(
            [
                ("  ", "text"),
                (" enter ", "on_accent.b@accent"),
                (" start   ", "text.b"),
                (" esc ", "accent.b@raised"),
                (" leave it", "text"),
            ]
        )
        return [*lines, []]

    def action_move(self, by: int) -> None:
        if self._campaigns:
            self._at = max(0, min(len(self._campaigns) - 1, self._at + by))
            self._repaint()

    def action_go(self) -> None:
        if self._campaigns:
            self.dismiss(self._campaigns[self._at].name)

    def action_leave(self) -> None:
        self.dismiss(None)


class Jump(ModalScreen[int | None]):
    """A letter on each panel; the letter goes there."""

    DEFAULT_CSS = "Jump { background: transparent; }"

    def __init__(self, targets: list[Widget]) -> None:
        super().__init__()
        self._targets = targets

    def compose(self) -> ComposeResult:
        for letter, widget in zip(string.ascii_lowercase, self._targets, strict=False):
            label = Label(f" {letter} ", markup=False, classes="jump")
            label.styles.offset = (widget.region.x + 1, widget.region.y)
            yield label

    def on_key(self, event: events.Key) -> None:
        event.stop()
        place = string.ascii_lowercase.find(event.key) if len(event.key) == 1 else -1
        self.dismiss(place if 0 <= place < len(self._targets) else None)
