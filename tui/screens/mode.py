"""What the modes share: the chrome around a body, zoom, and the choice of the first panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget

from tui.gateway import EnvironmentView, RunRow
from tui.state.live_run import LiveRun
from tui.widgets.chrome import KeyRow, MessageRow, Tabs, TopBar
from tui.widgets.paint import Paint, Panel

if TYPE_CHECKING:
    from tui.app import ControlCenter


class Mode(Screen[None]):
    """Top bar, tabs, body, message row, key row, in this order; nothing is docked, so nothing covers anything."""

    first: ClassVar[str] = ""
    zoomed = False

    def compose(self) -> ComposeResult:
        yield TopBar()
        yield Tabs()
        with Vertical(id="body"):
            yield from self.parts()
        yield MessageRow()
        yield KeyRow()

    def parts(self) -> ComposeResult:
        yield from ()

    def on_mount(self) -> None:
        self.query_one(self.first).focus()

    def on_screen_resume(self) -> None:
        self.repaint()

    @property
    def center(self) -> ControlCenter:
        from tui.app import ControlCenter

        assert isinstance(self.app, ControlCenter)
        return self.app

    def repaint(self) -> None:
        """Everything may have changed."""
        for widget in self.query(Paint):
            widget.touch()

    def repaint_chrome(self) -> None:
        for kind in (TopBar, Tabs, MessageRow, KeyRow):
            for widget in self.query(kind):
                widget.touch()

    def zoom(self, panel: Panel | None) -> None:
        """One panel in the whole body, or all again; the chrome stays."""
        keep: set[Widget] = set() if panel is None else {w for w in panel.ancestors_with_self if isinstance(w, Widget)}
        for widget in self.query_one("#body").query("*"):
            if panel is None:
                widget.styles.display = widget.styles.height = widget.styles.width = widget.styles.margin = None
            elif widget in keep:
                widget.styles.height = widget.styles.width = "1fr"
                widget.styles.margin = 0
            else:
                widget.styles.display = "none"
        self.zoomed = panel is not None

    # What the app tells; each mode takes what concerns it.
    def on_live(self, live: LiveRun | None) -> None:
        """The followed run has changed."""

    def on_runs(self, runs: list[RunRow]) -> None:
        """The list of runs was read."""

    def on_environment(self, view: EnvironmentView) -> None:
        """The environment was looked at."""
