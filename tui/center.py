"""What the control center knows and how it learns it: modes, timers, and the wiring between gateway and screens.

It never blocks. What keys do is in `app`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from textual.app import App
from textual.message import Message
from textual.screen import ModalScreen, Screen

from tui import messages
from tui.following import Following, Replays
from tui.gateway import EnvironmentView, Gateway, GatewayError, RunRow
from tui.pump import TICK_S
from tui.render.look import Look
from tui.render.numbers import short
from tui.screens.live import Live
from tui.screens.mode import Mode
from tui.screens.overlays import Launch
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
    """keep: which end of the text stands where there is no room for all of it; of a path it is the last."""

    glyph: str
    token: str
    text: str
    hint: str = ""
    keep: Literal["begin", "end"] = "begin"


class Center(App[None]):
    """All calls to the gateway happen in threads, which post messages; only this class changes what is shown."""

    TITLE = "ObservaStack Testbed"
    CSS_PATH = "styles/center.tcss"
    MODES: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {"runs": Runs, "live": Live, "results": Results}  # type: ignore[assignment]
    DEFAULT_MODE = "runs"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  (an instance variable of App)
        (0, "-narrow"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-low"),
        (46, "-high"),
    ]
    ENABLE_COMMAND_PALETTE = True

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
            self.switch_mode("live")

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
        """The mode that is shown, perhaps below an overlay. None before its parts are there and after the last: what was
        asked outside may be answered then, and the clock does not wait."""
        return next((screen for screen in self._stacked() if screen.is_mounted), None)

    def _mode_screen(self) -> Mode:
        """As `_shown`, for what a key does: then there is one."""
        return next(self._stacked())

    def _stacked(self) -> Iterator[Mode]:
        return (screen for screen in reversed(self.screen_stack) if isinstance(screen, Mode))

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
