"""The control center: what each key does, and each line of the palette."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from tui import messages
from tui.actions import ACTIONS
from tui.center import Center, Toast
from tui.gateway import GatewayError, RunRow
from tui.render.look import THEMES, Look
from tui.render.numbers import short
from tui.screens.overlays import Help, Jump, Launch
from tui.widgets.paint import Panel


def near(path: str) -> str:
    """A path as one would type it from here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path


class ControlCenter(Center):
    """All that its user can do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f12,ctrl+backslash", "abort_all", show=False, priority=True),
        Binding("ctrl+p", "command_palette", show=False, priority=True), Binding("colon", "command_palette", show=False),
        Binding("1", "mode('runs')", show=False), Binding("2", "mode('live')", show=False), Binding("3", "mode('results')", show=False),
        Binding("y", "copy", show=False), Binding("question_mark", "help", show=False), Binding("ctrl+o", "jump", show=False),
        Binding("z", "zoom", show=False), Binding("T", "theme", show=False), Binding("q", "leave", show=False),
        Binding("escape", "dismiss_abort", show=False),
    ]  # fmt: skip

    def _chosen_run(self) -> str | None:
        focused = self._mode_screen().focused
        current = getattr(focused, "current", None)
        row = current() if callable(current) else None
        return row.run if isinstance(row, RunRow) else self.live.run if self.live else None

    def action_mode(self, name: str) -> None:
        if not isinstance(self.screen, ModalScreen):
            self.switch_mode(name)

    def action_launch(self) -> None:
        form = Launch(self.environment_name)

        def start(campaign: str | None) -> None:
            if campaign is not None:
                self.say(Toast("◔", "accent", f"Starting {campaign} …"))
                self.call_outside(
                    lambda: messages.Launched(self.gateway.launch(campaign, self.environment_name), campaign),
                    f"Run {campaign}",
                    "launch",
                )

        self.push_screen(form, start)
        self.call_outside(lambda: messages.CampaignsRead(self.gateway.campaigns()), "The campaigns", "campaigns")

    def action_cancel(self) -> None:
        run = self._chosen_run()
        if run is None:
            return
        self.say(Toast("◑", "warn", f"Cancelling {short(run)}: faults are reverted first", "F12 aborts everything"))

        def work() -> None:
            self.gateway.cancel(run)

        self.call_outside(work, f"Cancel {short(run)}", "cancel")

    def action_report(self) -> None:
        run = self._chosen_run()
        if run is None:
            return
        self.say(Toast("◔", "accent", f"Writing the report of {short(run)} …"))

        def work() -> None:
            path = self.gateway.report(run)
            self.call_from_thread(self.copy_to_clipboard, path)
            self.call_from_thread(self.say, Toast("✔", "passed", f"Report: {near(path)}", "copied", keep="end"))

        self.call_outside(work, f"Report of {short(run)}", "report")

    def action_abort_all(self) -> None:
        """At once and without a question; a second press while it works changes nothing."""
        if self.abort_text and not self.abort_done:
            return
        self.abort_text, self.abort_done = "ABORTING  reverting all faults, cancelling all runs", False
        self.repaint_chrome()

        def job() -> None:
            try:
                answer = messages.Aborted(self.gateway.abort_all())
            except GatewayError as error:
                answer = messages.Aborted("", str(error))
            self.post_message(answer)

        threading.Thread(target=job, name="abort", daemon=True).start()

    def dismiss_abort(self) -> None:
        if self.abort_done:
            self.abort_text, self.abort_done = "", False
            self.repaint_chrome()

    action_dismiss_abort = dismiss_abort

    def action_freeze(self) -> None:
        self.following.frozen = not self.following.frozen
        self._mode_screen().repaint()

    def action_copy(self) -> None:
        text = self.cli_of_focus()
        self.copy_to_clipboard(text)
        self.say(Toast("✔", "passed", f"Copied: {text}", "OSC 52"))

    def action_help(self) -> None:
        if not isinstance(self.screen, ModalScreen):
            self.push_screen(Help(self.screen.focused, self.current_mode or "runs"))

    def action_jump(self) -> None:
        if isinstance(self.screen, ModalScreen):
            return
        targets = [w for w in self.screen.query("Panel, Input") if w.display and w.region.height and w.is_on_screen]

        def go(place: int | None) -> None:
            if place is not None:
                targets[place].focus()

        self.push_screen(Jump(targets), go)

    def action_zoom(self) -> None:
        screen = self._mode_screen()
        if isinstance(screen.focused, Panel):
            screen.zoom(None if screen.zoomed else screen.focused)

    def action_theme(self) -> None:
        names = list(THEMES)
        Look.theme = names[(names.index(Look.theme) + 1) % len(names)]
        self.theme = f"tb-{Look.theme}"
        self._mode_screen().repaint()
        self.say(Toast("◔", "accent", f"Theme {Look.theme}", "T next"))

    def action_leave(self) -> None:
        if not isinstance(self.focused, Input):
            self.following.stop()
            self.exit()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: every action of the registry with its key and its equivalent command."""
        for action in ACTIONS:
            name = action.name
            if hasattr(self, f"action_{name.partition('(')[0]}"):
                hint = f"key {action.shown}" + (f"   $ {action.cli}" if action.cli else "")
                yield SystemCommand(
                    f"{action.group}: {action.text}",
                    hint,
                    lambda name=name: self.call_later(self.run_action, f"app.{name}"),
                )
