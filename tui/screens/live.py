"""Mode Live: load and latency with the fault on the same axis, verdict so far, ground truth, log."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from tui.render.chart import Fault, Plot, Series, draw
from tui.render.look import SERIES, VERDICT, Line, bar, fit, join
from tui.render.numbers import clock, latency, nice_limits, nice_top, number, share, short, spark
from tui.render.tables import Column, header, row, state_cell
from tui.screens.mode import Mode
from tui.screens.runs import Gates
from tui.state.live_run import SIGNALS, LiveRun, LogLine, OperationView
from tui.widgets.paint import Paint, Panel, sentences
from tui.widgets.ring_log import RingLog

WINDOW_S = 600  # a longer run shows its last ten minutes


def _yet(live: LiveRun) -> str:
    """Of what is not there: may it still come?"""
    return "" if live.over else " yet"


class LivePanel(Panel):
    """A panel over the followed run."""

    @property
    def live(self) -> LiveRun | None:
        return self.center.live

    def cli(self) -> str:
        return f"testbed attach {short(self.live.run)}" if self.live else "testbed run smoke"

    def body(self, cells: int, height: int) -> list[Line]:
        live = self.live
        if live is None or live.started is None:
            return []
        return self.of(live, cells, height)

    def of(self, live: LiveRun, cells: int, height: int) -> list[Line]:
        raise NotImplementedError(type(self).__name__)


class Strip(Paint):
    """Where the run stands: stage, phase, elapsed of planned; below, the stages as chips or the load."""

    DEFAULT_CSS = "Strip { height: 2; }"

    def lines(self, cells: int, height: int) -> list[Line]:
        live = self.center.live
        if live is None and not self.center.runs_read:
            return [[(" ◔ ", "accent"), ("Reading …", "text")]]
        if live is None:
            return [
                [(" ○ ", "dim"), ("Nothing is running", "text.b")],
                [("   n starts a campaign; enter on a run in 1 Runs replays it", "dim")],
            ]
        running = [stage.name for stage in live.stages.values() if stage.state in ("starting", "running")]
        done = sum(stage.end is not None for stage in live.stages.values())
        line: Line = [
            (" ", "text"),
            *state_cell(live.state),
            ("  ", "text"),
            (live.campaign, "text.b"),
            (f" {short(live.run)}", "dim"),
        ]
        line += [(f"  {done}/{len(live.stages)} stages", "dim")]
        if not live.over:
            line += [("  phase ", "dim"), (live.phase, "fault.b" if live.phase == "fault" else "text.b")]
        planned = live.planned_s
        right: Line = [(clock(live.elapsed), "text.b")]
        if planned and not live.over:
            room = 24 if cells >= 120 else 10
            part = min(1.0, live.elapsed / planned)
            right += [
                ("/", "dim"),
                (clock(planned), "text"),
                (" ", "text"),
                *bar(part, room),
                (f" {part:4.0%}".replace("%", " %"), "text"),
            ]
            if cells >= 100:
                right += [(f"  ETA {clock(max(0.0, planned - live.elapsed))}", "dim")]
        chips: Line = [(" ", "text")]
        for stage in live.stages.values():
            if stage.end is not None:
                glyph, token, _ = VERDICT.get(stage.verdict, VERDICT["invalid"])
            else:
                glyph, token = ("▶", "accent") if stage.name in running else ("·", "dim")
            chips += [
                (f"{glyph} ", f"{token}.b"),
                (stage.name, "text.b" if stage.name in running else "dim"),
                ("   " if cells >= 100 else "  ", "text"),
            ]
        frozen = self.center.following.frozen
        return [
            join(line, [*right, (" ", "text")], cells),
            join(chips, [("frozen · space goes on ", "warn")] if frozen else [], cells),
        ]


def window(live: LiveRun) -> tuple[int, int]:
    """The whole seconds shown, first and last."""
    assert live.started is not None
    last = int(live.ended or live.now)
    return max(int(live.started), last - WINDOW_S), max(last, int(live.started) + 20)


def label_room(cells: int) -> int:
    """Cells right of a plot: the same on every chart of a screen, so that a dip stands over its cause."""
    return 27 if cells >= 90 else 23


def fault_marks(live: LiveRun) -> list[Fault]:
    assert live.started is not None
    begin = live.started
    return [
        Fault(fault.injected - begin, None if fault.reverted is None else max(fault.reverted, fault.recovered or 0.0) - begin, fault.name)
        for fault in live.faults.values()
    ]  # fmt: skip


class Throughput(LivePanel):
    name_text = "Throughput"
    about = (
        "Requests a second of the simulated users, with every fault marked. The same time axis as the latency below. "
        "Where there are no users: acknowledged items a second of each signal."
    )
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("space", "freeze"), ("z", "zoom"))

    def figures(self, cells: int) -> Line:
        alone = self.live is not None and self.live.telemetry_alone
        return [("acknowledged items/s" if alone else "requests/s", "dim")]

    def of(self, live: LiveRun, cells: int, height: int) -> list[Line]:
        return self._written(live, cells, height) if live.telemetry_alone else self._asked(live, cells, height)

    @staticmethod
    def _written(live: LiveRun, cells: int, height: int) -> list[Line]:
        first, last = window(live)
        seconds = sorted(second for of in live.written.values() for second in of)
        if not seconds:
            return sentences("○", "dim", "Nothing acknowledged yet")[1:]
        if live.over:  # the second in which it ended is whole; while it lasts, the present one is not yet
            last = max(seconds[-1] + 1, first + 20)
        series, top = [], 0.0
        for (glyph, token), signal in zip(SERIES, SIGNALS, strict=False):
            of = live.written[signal]
            values = [of.get(s, 0.0) if seconds[0] <= s <= seconds[-1] else None for s in range(first, last)]
            top = max(top, *(value for value in values if value is not None), 0.0)
            newest = next((value for value in reversed(values) if value is not None), 0.0)
            series.append(Series(signal, glyph, token, values, f"{number(newest)}/s"))
        top = nice_top(max(top, 1.0) * 1.1)
        assert live.started is not None
        plot = Plot(
            series, first - live.started, last - live.started, 0, top, "/s", ticks=(0, top / 2, top),
            right=label_room(cells), faults=fault_marks(live),
        )  # fmt: skip
        return draw(plot, cells, height)

    @staticmethod
    def _asked(live: LiveRun, cells: int, height: int) -> list[Line]:
        first, last = window(live)
        rates: list[float | None] = []
        for second in range(first, last):
            points = [p for op in live.operations.values() if (p := op.by_second.get(second))]
            rates.append(float(sum(p.count for p in points)) if points else None)
        values = [rate for rate in rates if rate is not None]
        if not values:
            return sentences("○", "dim", f"No request{_yet(live)}")[1:]
        top = nice_top(max(values) * 1.1)
        assert live.started is not None
        plot = Plot(
            [Series("achieved", *SERIES[0], rates, f"{values[-1]:.0f}/s")], first - live.started, last - live.started, 0, top, "/s",
            ticks=(0, top / 2, top), right=label_room(cells), faults=fault_marks(live),
        )  # fmt: skip
        return draw(plot, cells, height)


class Latency(LivePanel):
    """p95 of the slowest operations, one line each, fault shaded on the same axis."""

    name_text = "Latency p95"
    about = (
        "p95 in each second of the five slowest operations. The shade and ▼━▲ mark a fault from injection to recovery."
    )
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("g", "log/linear"), ("space", "freeze"), ("z", "zoom"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "scale", show=False),
        Binding("space", "app.freeze", show=False),
    ]
    logarithmic = True

    def figures(self, cells: int) -> Line:
        live = self.live
        span = "" if live is None or live.started is None else f" · last {clock(min(live.elapsed, WINDOW_S))}"
        return [(f"{'log' if self.logarithmic else 'linear'} scale{span}", "dim")]

    def action_scale(self) -> None:
        self.logarithmic = not self.logarithmic
        self.touch()

    def of(self, live: LiveRun, cells: int, height: int) -> list[Line]:
        first, last = window(live)
        shown = slowest(live)[:5]
        series = []
        everything: list[float] = []
        for (glyph, token), operation in zip(SERIES, shown, strict=False):
            values = [p.p95 if (p := operation.by_second.get(s)) else None for s in range(first, last)]
            everything += [value for value in values if value]
            total = operation.last.total_p95 if operation.last else None
            series.append(Series(operation.name, glyph, token, values, latency(total)))
        if not everything:
            more = () if live.over else ("Users start when telemetry is steady.",)
            return sentences("○", "dim", f"No latency{_yet(live)}", *more)[1:]
        low, high = (
            nice_limits(min(everything), max(everything))
            if self.logarithmic
            else (0.0, nice_top(max(everything) * 1.1))
        )
        ticks = (
            [low * 10**i for i in range(8) if low * 10**i <= high * 1.001]
            if self.logarithmic
            else [0.0, high / 2, high]
        )
        assert live.started is not None
        plot = Plot(
            series, first - live.started, last - live.started, low, high, "s", logarithmic=self.logarithmic, ticks=ticks,
            faults=fault_marks(live), right=label_room(cells),
        )  # fmt: skip
        return draw(plot, cells, height)


def slowest(live: LiveRun) -> list[OperationView]:
    return sorted(live.operations.values(), key=lambda op: -((op.last.total_p95 if op.last else None) or 0.0))


class Operations(LivePanel):
    name_text = "Operations"
    about = "Every operation of the users, slowest p95 first; figures of the whole run, requests a second and trend of the last ones."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("z", "zoom"),)
    columns = (
        Column("operation", 16, most=28), Column("/s", 7, "r"), Column("p50", 8, "r", narrow=False), Column("p95", 8, "r"),
        Column("p99", 8, "r", narrow=False), Column("errors", 7, "r"), Column("trend", 0, narrow=False),
    )  # fmt: skip

    def figures(self, cells: int) -> Line:
        live = self.live
        return [(f"{len(live.operations) if live else 0}", "dim"), (" ▾ p95", "accent")]

    def of(self, live: LiveRun, cells: int, height: int) -> list[Line]:
        if not live.operations:
            return sentences("○", "dim", f"No operation{_yet(live)}")[1:]
        second = (
            max(max(operation.by_second, default=0) for operation in live.operations.values())
            if live.over
            else int(live.now)
        )
        lines = [header(self.columns, cells)]
        for operation in slowest(live):
            last = operation.last
            if last is None:
                continue
            errors = last.total_errors / last.total_count if last.total_count else None
            trend = [p.p95 if (p := operation.by_second.get(s)) else None for s in range(second - 12, second)]
            values = (
                operation.name, f"{operation.rate(second):.1f}", latency(last.total_p50), latency(last.total_p95), latency(last.total_p99),
                [(share(errors), "failed.b" if errors else "dim")], [(spark(trend, 8), "s1")],
            )  # fmt: skip
            lines.append(row(self.columns, values, cells))
        return lines


class Truth(LivePanel):
    name_text = "Ground truth"
    about = "Items sent and acknowledged so far; lost, duplicated and leaked are known when the audit has read everything back (… until then, – where none was)."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("z", "zoom"),)
    columns = (
        Column("signal", 8),
        Column("sent", 9, "r"),
        Column("acked", 9, "r"),
        Column("lost", 6, "r"),
        Column("dup", 5, "r"),
        Column("leak", 5, "r"),
    )

    def figures(self, cells: int) -> Line:
        live = self.live
        if live is None or live.audit is None:
            return [("no audit" if live is not None and live.over else "audit …", "dim")]
        lost = sum(int(counts.get("lost") or 0) for counts in live.audit.values())
        return [(f"{number(lost)} lost", "failed.b" if lost else "passed.b")]

    def of(self, live: LiveRun, cells: int, height: int) -> list[Line]:
        lines = [header(self.columns, cells)]
        for signal in SIGNALS:
            lines.append(row(self.columns, truth_cells(live, signal), cells))
        return lines


def truth_cells(live: LiveRun, signal: str) -> list[str | Line]:
    counts, audit = live.counts[signal], (live.audit or {}).get(signal)

    def wrong(name: str) -> Line:
        if audit is None:
            return [("–" if live.over else "…", "dim")]
        value = audit.get(name)
        if value is None:
            return [("n/a", "invalid")]
        return [
            (f"{number(value)} ", "failed.b" if value else "text"),
            ("✘" if value else "✔", "failed.b" if value else "passed.b"),
        ]

    sent, acked = counts.get("sent"), counts.get("acked")
    return [
        signal,
        number(sent) if sent is not None else "…",
        number(acked) if acked is not None else "…",
        wrong("lost"),
        wrong("duplicated"),
        wrong("leaked"),
    ]


class Faults(LivePanel):
    name_text = "Faults"
    about = "Injected faults with the time until they revert by themselves; detected and recovered are measured by a write every 50 ms."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("F12", "abort"),)

    def figures(self, cells: int) -> Line:
        live = self.live
        if live is None or not live.faults:
            return []
        active = len(live.active_faults)
        return [(f"{active} active", "fault.b" if active else "dim"), (f" · {len(live.faults) - active} over", "dim")]

    def of(self, live: LiveRun, cells: int, height: int) -> list[Line]:
        if not live.faults:
            return [[(f"  none injected{_yet(live)}", "dim")]]
        lines: list[Line] = []
        for fault in live.faults.values():
            if fault.reverted is None and not fault.failed:
                left = None if fault.reverts_at is None else max(0.0, fault.reverts_at - time.time())
                lines.append([("  ▼ ", "fault.b"), (fault.name, "text.b"), (f"  reverts in {clock(left)}", "fault")])
            else:
                lines.append(
                    [
                        ("  ▲ " if not fault.failed else "  ✘ ", "passed.b" if not fault.failed else "failed.b"),
                        (fault.name, "text.b"),
                        (f"  reverted by {fault.by}" if fault.by else "", "dim"),
                    ]
                )
            felt = "no write failed" if fault.detect_s is None else f"felt {latency(fault.detect_s)}"
            back = "…" if fault.recover_s is None else latency(fault.recover_s)
            lines.append([(f"    {felt} · recovered {back}", "dim")])
        return lines


class LiveGates(Gates):
    """Gates, and at 80 columns the ground truth below them."""

    def __init__(self, identity: str) -> None:
        super().__init__(identity, lambda: self.center.live)

    def body(self, cells: int, height: int) -> list[Line]:
        live = self.center.live
        if live is None:
            return []
        lines = super().body(cells, height)
        if self.id == "gatesnarrow":
            keep = max(1, height - 3)
            lines = lines[:keep]
            for signal in SIGNALS:
                _, _sent, acked, lost, *_ = truth_cells(live, signal)
                tail: Line = lost if isinstance(lost, list) else [(lost, "text")]
                lines.append(
                    fit(
                        join(
                            [(f"  {signal:<8}", "dim"), (f"{acked} acked", "text")], [*tail, (" lost ", "dim")], cells
                        ),
                        cells,
                    )
                )
        return lines


class Live(Mode):
    first = "#latency"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "app.freeze", show=False),
        Binding("x", "app.cancel", show=False),
        Binding("n", "app.launch", show=False),
    ]

    def parts(self) -> ComposeResult:
        yield Strip(id="strip")
        with Horizontal(id="top"):
            with Vertical(id="left"):
                yield Throughput(id="rate")
                yield Latency(id="latency")
                with Horizontal(id="opsrow"):
                    yield Operations(id="ops")
                    yield LiveGates("gatesnarrow")
            with Vertical(id="right"):
                yield LiveGates("gates")
                yield Truth(id="truth")
                yield Faults(id="faults")
        yield RingLog("log")

    def on_mount(self) -> None:
        super().on_mount()
        self.extend_log(self.center.following.lines)

    def extend_log(self, lines: list[LogLine]) -> None:
        self.query_one("#log", RingLog).extend(lines)

    def clear_log(self) -> None:
        self.query_one("#log", RingLog).clear()

    def on_live(self, live: LiveRun | None) -> None:
        self._arrange(live)
        for panel in self.query(LivePanel):
            panel.touch()
        for gates in self.query(LiveGates):
            gates.touch()
        self.query_one("#strip", Strip).touch()

    def repaint(self) -> None:
        self._arrange(self.center.live)
        super().repaint()

    def _arrange(self, live: LiveRun | None) -> None:
        """What users would ask has no place where there are none."""
        alone = live is not None and live.telemetry_alone
        if alone == self.has_class("-alone"):
            return
        self.set_class(alone, "-alone")
        if self.focused is None or self.focused.id in ("rate", "latency"):
            self.call_after_refresh(self.query_one("#rate" if alone else "#latency").focus)
