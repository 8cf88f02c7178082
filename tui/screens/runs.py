"""Mode Runs: what ran and runs; launch, open, cancel. Below, the stages of the chosen run over time, and its gates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from tui.gateway import RunRow
from tui.render.look import STATE, VERDICT, Line, fit, join
from tui.render.numbers import clock, latency, moment, short
from tui.render.tables import Cell, Column, state_cell, verdict_cell
from tui.screens.mode import Mode
from tui.state.live_run import GateView, LiveRun
from tui.widgets.paged_table import ListSource, PagedTable
from tui.widgets.paint import Panel, sentences


class RunsTable(PagedTable[RunRow]):
    name_text = "Runs"
    about = "All runs of this home, newest first. Live ones tell their verdict so far; ○ waits for a first value, ? was not assessed."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("enter", "open"), ("n", "new"), ("x", "cancel"), ("r", "report"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "app.launch", show=False), Binding("x", "app.cancel", show=False), Binding("r", "app.report", show=False),
    ]  # fmt: skip
    columns = (
        Column("run", 13), Column("campaign", 14, most=32), Column("env", 8, narrow=False), Column("state", 11), Column("verdict", 14),
        Column("started", 9, "r"), Column("took", 7, "r"), Column("tests", 9, "r", narrow=False), Column("why", 0, narrow=False),
    )  # fmt: skip

    def figures(self, cells: int) -> Line:
        runs = self.center.runs
        live = sum(run.live for run in runs)
        text = f"{live} live · {len(runs)}" + ("+" if self.center.more_runs else "")
        return [(text, "dim"), (" ▾ newest", "accent")]

    def cells_of(self, item: RunRow) -> Sequence[Cell]:
        live = self.center.live
        verdict = item.verdict
        took = item.duration_s
        if item.live:
            verdict = live.so_far if live is not None and live.run == item.run else "waiting"
            took = None if item.started_at is None else time.time() - item.started_at
        passed, planned = item.tests.get("passed", 0), item.tests.get("planned", 0)
        failed = item.tests.get("failed", 0)
        tests: Line = (
            [(f"{failed} ✘", "failed.b")]
            if failed
            else [(f"{passed}/{planned}" if planned else "–", "text" if planned else "dim")]
        )
        return (
            [(short(item.run), "accent")], [(item.campaign, "text.b")], [(item.environment, "dim")], state_cell(item.state),
            verdict_cell(verdict), [(moment(item.started_at, time.time()), "dim")], clock(took), tests, [(item.why, "dim")],
        )  # fmt: skip

    def empty(self) -> list[Line]:
        return sentences(
            "·",
            "dim",
            "No run yet",
            "A campaign writes telemetry, simulates users, injects a fault and audits what is left.",
            "n starts one; testbed campaigns lists them.",
        )

    def cli(self) -> str:
        run = self.current()
        return f"testbed results show {short(run.run)}" if run else "testbed run smoke"


class Stages(Panel):
    """A Gantt of the chosen run's stages, faults marked."""

    name_text = "Stages"
    about = "When each stage ran, with its verdict. ▼ marks an injected fault, ┃ is now, ╍ what is still planned."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("enter", "open"),)

    def __init__(self, identity: str) -> None:
        super().__init__(id=identity)
        self.shown: LiveRun | None = None

    def figures(self, cells: int) -> Line:
        live = self.shown
        if live is None:
            return []
        begun = sum(stage.begin is not None for stage in live.stages.values())
        return [(f"{short(live.run)} {live.campaign} · {begun} of {len(live.stages)} started", "dim")]

    def cli(self) -> str:
        return f"testbed attach {short(self.shown.run)}" if self.shown else ""

    def body(self, cells: int, height: int) -> list[Line]:
        live = self.shown
        if live is None or live.started is None:
            return sentences("○", "dim", "Choose a run to see its stages")[1:]
        whole = max(live.elapsed if live.over else max(live.elapsed, live.planned_s or 0.0), 1.0)
        name_width, note_width = 15, 26 if cells >= 90 else 17
        plot = max(10, cells - name_width - note_width - 2)
        lines = [self._scale(live, whole, plot, name_width)]
        now = None if live.over else min(plot - 1, int(live.elapsed / whole * plot))
        for stage in live.stages.values():
            glyph, token = self._sign(stage.verdict, stage.state)
            line: Line = [(f" {glyph} ", f"{token}.b"), (f"{stage.name[: name_width - 4]:<{name_width - 3}}", "text")]
            bar = [(" ", "text")] * plot
            if now is not None:
                bar[now] = ("┃", "rule")
            if stage.begin is not None:
                begin = int((stage.begin - live.started) / whole * plot)
                end = int(((stage.end or live.started + live.elapsed) - live.started) / whole * plot)
                for x in range(max(0, begin), min(plot, max(end, begin + 1))):
                    bar[x] = (
                        "▆",
                        "failed"
                        if stage.verdict == "failed"
                        else "invalid"
                        if stage.verdict == "invalid"
                        else "accent",
                    )
            if stage.suite == "chaos":
                for fault in live.faults.values():
                    x = int((fault.injected - live.started) / whole * plot)
                    if 0 <= x < plot:
                        bar[x] = ("▼", "fault.b")
            for text, ink in bar:
                if line[-1][1] == ink:
                    line[-1] = (line[-1][0] + text, ink)
                else:
                    line.append((text, ink))
            note = stage.note or (f"{stage.done} of {stage.planned} tests" if stage.planned else stage.state)
            if stage.suite == "chaos" and (
                recovered := [f.recover_s for f in live.faults.values() if f.recover_s is not None]
            ):
                note = f"recovered in {latency(max(recovered))}"
            lines.append(fit([*line, ("  ", "text"), (note, "dim")], cells))
        return lines

    @staticmethod
    def _sign(verdict: str | None, state: str) -> tuple[str, str]:
        if state in ("queued", "starting", "running", "finishing", "cancelling"):
            return STATE[state]
        glyph, token, _ = VERDICT.get(verdict, VERDICT["invalid"])
        return glyph, token

    @staticmethod
    def _scale(live: LiveRun, whole: float, plot: int, name_width: int) -> Line:
        ruler = [" "] * plot
        for part in range(5):
            text = clock(whole * part / 4)
            at = min(plot - len(text), int(plot * part / 4))
            ruler[at : at + len(text)] = list(text)
        return [
            (" " * name_width, "dim"),
            ("".join(ruler), "dim"),
            ("" if live.over else f"  now ┃ {clock(live.elapsed)}", "dim"),
        ]


class Gates(Panel):
    """The campaign's rules, failed first. ○ waits for a value: waiting is not green."""

    name_text = "Gates"
    about = "Rules that decide the verdict, evaluated when all stages have ended. ? could not be assessed."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("enter", "open"),)

    def __init__(self, identity: str, shown: Callable[[], LiveRun | None]) -> None:
        super().__init__(id=identity)
        self._shown = shown

    def figures(self, cells: int) -> Line:
        live = self._shown()
        if live is None:
            return []
        count = {
            verdict: sum(gate.verdict == verdict for gate in live.gates.values())
            for verdict in ("failed", "invalid", "passed", None)
        }
        parts: Line = []
        for verdict, glyph, token in (
            ("failed", "✘", "failed"),
            ("invalid", "?", "invalid"),
            ("passed", "✔", "passed"),
            (None, "○", "dim"),
        ):
            if count[verdict]:
                parts += [(" · " if parts else "", "dim"), (f"{count[verdict]} {glyph}", token)]
        return parts

    def cli(self) -> str:
        live = self._shown()
        return f"testbed gate {short(live.run)}" if live else ""

    def body(self, cells: int, height: int) -> list[Line]:
        live = self._shown()
        if live is None or not live.gates:
            return [[("  no gates", "dim")]]
        return [gate_line(gate, cells) for gate in sorted(live.gates.values(), key=_urgency)]


def _urgency(gate: GateView) -> int:
    return {"failed": 0, "invalid": 1, None: 2}.get(gate.verdict, 3)


def gate_line(gate: GateView, cells: int) -> Line:
    glyph, token, _ = VERDICT["waiting"] if gate.verdict is None else VERDICT.get(gate.verdict, VERDICT["invalid"])
    value = "…" if gate.verdict is None else "–" if gate.value is None else gate_value(gate)
    return join(
        [(f"  {glyph} ", f"{token}.b"), (gate.expr, "text")],
        [(f" {value} ", "text.b" if gate.verdict else "dim")],
        cells,
    )


def gate_value(gate: GateView) -> str:
    value = gate.value
    if isinstance(value, float) and any(
        gate.expr.lstrip("( ").startswith(name)
        for name in ("p50", "p90", "p95", "p99", "mean", "max", "recovery", "detect")
    ):
        return latency(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Runs(Mode):
    first = "#runs"

    def parts(self) -> ComposeResult:
        yield RunsTable("runs")
        with Horizontal(id="below"):
            yield Stages("stages")
            yield Gates("rungates", lambda: self.query_one("#stages", Stages).shown)

    def on_mount(self) -> None:
        super().on_mount()
        if self.center.runs_read:
            self.on_runs(self.center.runs)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.center.runs_read and self.is_mounted:
            self.on_runs(self.center.runs)

    def on_runs(self, runs: list[RunRow]) -> None:
        table = self.query_one("#runs", RunsTable)
        chosen = table.current().run if len(table) and table.current() else None  # type: ignore[union-attr]
        table.show(ListSource(runs), keep=True)
        places = {run.run: place for place, run in enumerate(runs)}
        if chosen in places:
            table.cursor = places[chosen]
            table.touch()

    def on_live(self, live: LiveRun | None) -> None:
        stages = self.query_one("#stages", Stages)
        if live is not None and (stages.shown is None or stages.shown.run == live.run):
            stages.shown = live
        for identity in ("#stages", "#rungates", "#runs"):
            self.query_one(identity, Panel).touch()

    def on_paged_table_chosen(self, message: PagedTable.Chosen[RunRow]) -> None:
        if message.row is not None:
            self.center.inspect(message.row.run, self._inspected)

    def _inspected(self, live: LiveRun) -> None:
        table = self.query_one("#runs", RunsTable)
        run = table.current()
        if run is not None and run.run == live.run:
            self.query_one("#stages", Stages).shown = live
            self.query_one("#stages", Stages).touch()
            self.query_one("#rungates", Gates).touch()

    def on_paged_table_opened(self, message: PagedTable.Opened[RunRow]) -> None:
        self.center.follow(message.row.run)
        self.center.action_mode("live")
