"""The control center: modes, theme, timers, and the wiring between gateway and screens. It never blocks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from tui import messages
from tui.actions import ACTIONS
from tui.following import Following, Replays
from tui.gateway import EnvironmentView, Gateway, GatewayError, RunRow
from tui.pump import TICK_S
from tui.render.look import THEMES, Look
from tui.render.numbers import short
from tui.screens.live import Live
from tui.screens.mode import Mode
from tui.screens.overlays import Help, Jump, Launch
from tui.screens.results import Results
from tui.screens.runs import Runs
from tui.state.live_run import LiveRun
from tui.themes import textual_themes
from tui.widgets.chrome import TopBar
from tui.widgets.paint import Panel

LIST_EVERY_S = 2.0
RUNS_SHOWN = 200


@dataclass(frozen=True)
class Toast:
    glyph: str
    token: str
    text: str
    hint: str = ""


class ControlCenter(App[None]):
    """All calls to the gateway happen in threads, which post messages; only this class changes what is shown."""

    TITLE = "ObservaStack Testbed"
    CSS_PATH = "styles/center.tcss"
    MODES: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {"runs": Runs, "live": Live, "results": Results}  # type: ignore[assignment]
    DEFAULT_MODE = "runs"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  (an instance variable of App)
        (0, "-narrow"),
        (120, "-wide"),
    ]
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f12,ctrl+backslash", "abort_all", show=False, priority=True),
        Binding("ctrl+p", "command_palette", show=False, priority=True), Binding("colon", "command_palette", show=False),
        Binding("1", "mode('runs')", show=False), Binding("2", "mode('live')", show=False), Binding("3", "mode('results')", show=False),
        Binding("y", "copy", show=False), Binding("question_mark", "help", show=False), Binding("ctrl+o", "jump", show=False),
        Binding("z", "zoom", show=False), Binding("T", "theme", show=False), Binding("q", "leave", show=False),
        Binding("escape", "dismiss_abort", show=False),
    ]  # fmt: skip

    def __init__(
        self, gateway: Gateway, *, environment: str, open_run: str | None = None, ascii_only: bool = False
    ) -> None:
        super().__init__()
        Look.ascii_only = ascii_only
        self.gateway, self.environment_name = gateway, environment
        self.environment_view = EnvironmentView(environment, "unknown")
        self.runs: list[RunRow] = []
        self.runs_read = self.more_runs = False
        self.toast: Toast | None = None
        self.abort_text, self.abort_done = "", False
        self._open_run = open_run
        self.following = Following(gateway, self._tell_failure)
        self._replays = Replays(gateway)
        for look in textual_themes():
            self.register_theme(look)
        self.theme = f"tb-{Look.theme}"

    # --- the clockwork

    def on_mount(self) -> None:
        self.set_interval(TICK_S, self._tick)
        self.set_interval(1.0, self.repaint_chrome)
        self.set_interval(LIST_EVERY_S, self._read_lists)
        self._read_lists()
        if self._open_run:
            self.follow(self._open_run)
            self.action_mode("live")

    def _tell_failure(self, what: str, why: str) -> None:
        self.post_message(messages.Failed(what, why))

    @property
    def live(self) -> LiveRun | None:
        """The run that the live screen shows."""
        return self.following.live

    def _tick(self) -> None:
        live, screen = self.live, self._shown()
        if screen is None:
            return
        changed, lines = self.following.take()
        if live is None or not changed:
            return
        if lines and isinstance(screen, Live):
            screen.extend_log(lines)
        if live.planned_s is None and live.started is not None:
            live.planned_s = self._usual_duration(live)
        screen.on_live(live)
        self.repaint_chrome()

    def _usual_duration(self, live: LiveRun) -> float | None:
        """How long the campaign took when it last ended with a verdict: the best estimate for this time."""
        past = (run for run in self.runs if run.campaign == live.campaign and run.run != live.run)
        return next((run.duration_s for run in past if run.state == "finished" and run.duration_s), None)

    def _shown(self) -> Mode | None:
        """The mode that is shown, perhaps below an overlay. None before the first one and after the last: what was asked
        outside may be answered then."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, Mode)), None)

    def _mode_screen(self) -> Mode:
        """As `_shown`, for what a key does: then there is one."""
        screen = self._shown()
        assert screen is not None
        return screen

    def repaint_chrome(self) -> None:
        if (mode := self._shown()) is None:
            return
        mode.repaint_chrome()
        if isinstance(self.screen, ModalScreen):
            for bar in self.screen.query(TopBar):
                bar.touch()

    def call_outside(self, work: Callable[[], Message | None], what: str, group: str) -> None:
        """Run a gateway call in a thread and post what it returns, or why it failed."""

        def job() -> None:
            try:
                answer = work()
            except GatewayError as error:
                answer = messages.Failed(what, str(error))
            if answer is not None:
                self.post_message(answer)

        self.run_worker(job, thread=True, group=group, exclusive=True, exit_on_error=False)

    def _read_lists(self) -> None:
        self.call_outside(lambda: messages.RunsRead(self.gateway.runs(RUNS_SHOWN + 1)), "The list of runs", "runs")
        self.call_outside(
            lambda: messages.EnvironmentRead(self.gateway.environment(self.environment_name)),
            "The environment",
            "environment",
        )

    # --- answers from outside

    def on_runs_read(self, message: messages.RunsRead) -> None:
        self.more_runs = len(message.runs) > RUNS_SHOWN
        changed = message.runs[:RUNS_SHOWN] != self.runs or not self.runs_read
        self.runs, self.runs_read = message.runs[:RUNS_SHOWN], True
        newest = next((run for run in self.runs if run.live), None)
        if newest is not None and (self.live is None or (self.live.over and self.live.run != newest.run)):
            self.follow(newest.run)
        elif self.live is None and self.runs and not self._open_run:
            self.follow(self.runs[0].run)
        if changed and (screen := self._shown()) is not None:
            screen.on_runs(self.runs)

    def on_environment_read(self, message: messages.EnvironmentRead) -> None:
        self.environment_view = message.view
        if (screen := self._shown()) is not None:
            screen.on_environment(message.view)
        self.repaint_chrome()

    def on_results_read(self, message: messages.ResultsRead) -> None:
        screen = self._shown()
        if isinstance(screen, Results):
            screen.show_results(message.expression, message.source, message.error)

    def on_detail_read(self, message: messages.DetailRead) -> None:
        screen = self._shown()
        if isinstance(screen, Results):
            screen.show_detail(message.run, message.detail)

    def on_campaigns_read(self, message: messages.CampaignsRead) -> None:
        if isinstance(self.screen, Launch):
            self.screen.show(message.campaigns)

    def on_launched(self, message: messages.Launched) -> None:
        self.say(Toast("▶", "passed", f"Started {message.campaign} as {short(message.run)}", "2 shows it live"))
        self.follow(message.run)
        self._read_lists()

    def on_aborted(self, message: messages.Aborted) -> None:
        self.abort_text, self.abort_done = (
            (f"ABORT FAILED  {message.error}" if message.error else f"ABORTED  {message.text}"),
            True,
        )
        self.repaint_chrome()
        self._read_lists()

    def on_panel_focused(self) -> None:
        self.repaint_chrome()

    def on_failed(self, message: messages.Failed) -> None:
        self.say(Toast("✘", "failed", f"{message.what}: {message.why}"))

    # --- what screens ask for

    def follow(self, run: str) -> None:
        """Show this run live; a finished one is replayed to its end."""
        screen = self._shown()
        if self.following.follow(run) and isinstance(screen, Live):
            screen.clear_log()

    def inspect(self, run: str, answer: Callable[[LiveRun], None]) -> None:
        """Give the run as a whole to `answer`: at once when it is known, else when it was read."""
        known = self.live if self.live is not None and self.live.run == run else self._replays.known(run)
        if known is not None:
            answer(known)
            return

        def job() -> None:
            with contextlib.suppress(GatewayError):  # the list it was chosen from says what is wrong
                self.call_from_thread(told, self._replays.read(run))

        def told(view: LiveRun) -> None:
            self._replays.keep(view)
            answer(view)

        self.run_worker(job, thread=True, group="inspect", exclusive=True, exit_on_error=False)

    def read_results(self, expression: str, newest_first: bool) -> None:
        def work() -> Message:
            try:
                return messages.ResultsRead(expression, self.gateway.results(expression, newest_first))
            except GatewayError as error:
                return messages.ResultsRead(expression, None, str(error))

        self.call_outside(work, "Results", "results")

    def read_detail(self, run: str) -> None:
        self.call_outside(lambda: messages.DetailRead(run, self.gateway.detail(run)), f"Run {short(run)}", "detail")

    def say(self, toast: Toast) -> None:
        """A message in the message row for five seconds; it covers nothing."""
        self.toast = toast
        self.repaint_chrome()

        def hush() -> None:
            if self.toast is toast:
                self.toast = None
                self.repaint_chrome()

        self.set_timer(5, hush)

    def cli_of_focus(self) -> str:
        focused = self._mode_screen().focused
        return focused.cli() if isinstance(focused, Panel) else "testbed --help"

    def _chosen_run(self) -> str | None:
        focused = self._mode_screen().focused
        current = getattr(focused, "current", None)
        row = current() if callable(current) else None
        return row.run if isinstance(row, RunRow) else self.live.run if self.live else None

    # --- actions

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
            self.call_from_thread(self.say, Toast("✔", "passed", f"Report: {path}"))

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
