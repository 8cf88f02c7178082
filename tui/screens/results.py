"""Mode Results: every finished run, filtered by an expression, a page at a time; the chosen one in detail."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label

from tui.gateway import PageSource, RunRow
from tui.render.look import STATE, VERDICT, Line, fit, join
from tui.render.numbers import clock, latency, moment, number, short
from tui.render.tables import Cell, Column, verdict_cell
from tui.screens.mode import Mode
from tui.state.live_run import ENDED
from tui.widgets.paged_table import PagedTable
from tui.widgets.paint import Panel, sentences


class FilterBar(Horizontal):
    """One row: `/`, the expression, how many match."""

    DEFAULT_CSS = "FilterBar { height: 1; }"

    def compose(self) -> ComposeResult:
        yield Label(" / ", classes="slash", markup=False)
        box = Input(
            placeholder='verdict != passed and campaign == "smoke"', compact=True, select_on_focus=False, id="filter"
        )
        box.cursor_blink = False
        yield box

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self.screen.query_one("#results").focus()


class ResultsTable(PagedTable[RunRow]):
    name_text = "Runs"
    about = "Finished runs that match the filter. Rows are read as they are shown, so a million cost as a hundred."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("enter", "open"), ("/", "filter"), ("o", "sort"), ("r", "report"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "screen.filter", show=False), Binding("o", "screen.sort", show=False), Binding("r", "app.report", show=False),
    ]  # fmt: skip
    columns = (
        Column("run", 13), Column("campaign", 12, most=32), Column("verdict", 14), Column("started", 9, "r"), Column("took", 7, "r"),
        Column("✔", 4, "r"), Column("✘", 3, "r"), Column("commit", 7, narrow=False), Column("why", 0, narrow=False),
    )  # fmt: skip
    error = ""

    def figures(self, cells: int) -> Line:
        order = "newest" if self.screen_newest_first() else "oldest"
        return [(f"{len(self):,}", "dim"), (f" ▾ {order}", "accent")]

    def screen_newest_first(self) -> bool:
        return bool(getattr(self.screen, "newest_first", True))

    def cells_of(self, item: RunRow) -> Sequence[Cell]:
        failed = item.tests.get("failed", 0)
        return (
            [(short(item.run), "accent")], [(item.campaign, "text.b")], verdict_cell("waiting" if item.live else item.verdict), [(moment(item.started_at, time.time()), "dim")],
            clock(None if item.live else item.duration_s), number(item.tests.get("passed", 0)), [(number(failed), "failed.b" if failed else "dim")],
            [((item.commit or "–")[:7], "dim")], [(item.why, "dim")],
        )  # fmt: skip

    def body(self, cells: int, height: int) -> list[Line]:
        if self.error:
            return sentences(
                "✘",
                "failed",
                "The filter cannot be read",
                self.error,
                "/ goes back to it; the runs below it are untouched.",
            )
        return super().body(cells, height)

    def empty(self) -> list[Line]:
        text = str(getattr(self.screen, "expression", ""))
        if text:
            return sentences("·", "dim", "No run matches", text, "/ changes the filter.")
        return sentences("·", "dim", "No finished run yet", "1 then n starts one.")

    def cli(self) -> str:
        text = str(getattr(self.screen, "expression", ""))
        return "testbed results list" + (f" --filter '{text}'" if text else "")


class Detail(Panel):
    """The chosen run: why first, then the slowest operations, ground truth, faults, failed tests, stages, artifacts."""

    name_text = "Run"
    about = (
        "The chosen run: first why it is not green, then latency, ground truth, faults, tests, stages and artifacts."
    )
    keys: ClassVar[tuple[tuple[str, str], ...]] = (("r", "report"), ("esc", "back"), ("↑ ↓", "scroll"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.back", show=False), Binding("down,j", "scroll_by(1)", show=False), Binding("up,k", "scroll_by(-1)", show=False),
        Binding("r", "app.report", show=False),
    ]  # fmt: skip

    def __init__(self, identity: str) -> None:
        super().__init__(id=identity)
        self.detail: dict[str, Any] | None = None
        self.offset_rows = 0

    def show(self, detail: dict[str, Any] | None) -> None:
        self.detail = detail
        self.offset_rows = 0
        self.touch()

    def title(self) -> str:
        return f"{short(self.detail['run'])} {self.detail['campaign']}" if self.detail else "Run"

    def figures(self, cells: int) -> Line:
        if self.detail is None:
            return []
        if not _over(self.detail):
            return [*verdict_cell("waiting"), (f"  {self.detail.get('state')}", "dim")]
        return [*verdict_cell(self.detail.get("verdict")), (f"  {clock(self.detail.get('duration_s'))}", "dim")]

    def cli(self) -> str:
        return f"testbed results show {short(self.detail['run'])}" if self.detail else ""

    def action_scroll_by(self, by: int) -> None:
        self.offset_rows = max(0, self.offset_rows + by)
        self.touch()

    def body(self, cells: int, height: int) -> list[Line]:
        if self.detail is None:
            return sentences("○", "dim", "Choose a run")[1:]
        lines = [
            *_why(self.detail, cells),
            *_latency(self.detail, cells),
            *_truth(self.detail),
            *_faults(self.detail),
            *_stages(self.detail),
            *_rest(self.detail),
        ]
        self.offset_rows = max(0, min(self.offset_rows, len(lines) - height))
        return lines[self.offset_rows :]


def _over(detail: dict[str, Any]) -> bool:
    return detail.get("state", "finished") in ENDED


def _heading(text: str, note: str = "") -> list[Line]:
    return [[], [("  ", "text"), (text, "text.b.u"), (f"  {note}", "dim")]]


def _why(detail: dict[str, Any], cells: int) -> list[Line]:
    lines: list[Line] = []
    for gate in detail.get("gates") or ():
        if gate.get("verdict") != "passed":
            waits = gate.get("verdict") is None and not _over(detail)
            glyph, token, word = VERDICT.get("waiting" if waits else gate.get("verdict"), VERDICT["invalid"])
            value = gate.get("value")
            lines.append(
                fit(
                    [
                        (f"  {glyph} ", f"{token}.b"),
                        (f"gate {gate.get('expr')}", "text.b"),
                        (f"  {word if value is None else f'was {value}'}", "dim"),
                    ],
                    cells,
                )
            )
    for stage in detail.get("stages") or ():
        if stage.get("verdict") != "passed":
            waits = stage.get("verdict") is None and not _over(detail)
            glyph, token, _ = VERDICT.get("waiting" if waits else stage.get("verdict"), VERDICT["invalid"])
            lines.append(
                fit(
                    [
                        (f"  {glyph} ", f"{token}.b"),
                        (f"stage {stage.get('name')}", "text.b"),
                        (f"  {stage.get('reason') or stage.get('state')}", "dim"),
                    ],
                    cells,
                )
            )
    return lines or [[("  ✔ ", "passed.b"), ("every stage and every gate passed", "text")]]


def _latency(detail: dict[str, Any], cells: int) -> list[Line]:
    users = tuple(f"{stage.get('name')}." for stage in detail.get("stages") or () if stage.get("suite") == "load")
    metrics = {
        name: row
        for name, row in (detail.get("metrics") or {}).items()
        if name.startswith(users) and isinstance(row, dict) and row.get("unit") == "s" and row.get("p95") is not None
    }
    if not metrics:
        return []
    lines = _heading("slowest operations", "p50 · p95 · p99")
    for name, row in sorted(metrics.items(), key=lambda item: -item[1]["p95"])[:8]:
        right: Line = [
            (f"{latency(row.get('p50')):>9}", "dim"),
            (f"{latency(row['p95']):>9}", "text.b"),
            (f"{latency(row.get('p99')):>9} ", "dim"),
        ]
        lines.append(join([(f"    {name}", "text")], right, cells))
    return lines


_COUNTS = (
    ("sent", "sent", 10),
    ("acked", "acked", 10),
    ("lost", "lost", 8),
    ("duplicated", "dup", 7),
    ("leaked", "leaked", 8),
)


def _truth(detail: dict[str, Any]) -> list[Line]:
    signals = (detail.get("ledger") or {}).get("signals")
    if not signals:
        return []
    lines = _heading("ground truth", "items")
    lines.append([(" " * 12, "dim"), *((f"{title:>{size}}", "dim") for _, title, size in _COUNTS)])
    for signal, counts in signals.items():
        line: Line = [(f"    {signal:<8}", "text")]
        for name, _, size in _COUNTS:
            value = counts.get(name)
            bad = bool(value) and name not in ("sent", "acked")
            shown = "n/a" if value is None else number(value)
            line.append((f"{shown:>{size}}", "failed.b" if bad else "text" if value else "dim"))
        lines.append(line)
    return lines


def _faults(detail: dict[str, Any]) -> list[Line]:
    rows = detail.get("faults") or ()
    lines = _heading("faults", "felt · recovered") if rows else []
    for fault in rows:
        felt, back = fault.get("time_to_detect_s"), fault.get("time_to_recover_s")
        lines.append([("    ▲ " if fault.get("reverted_at") else "    ▼ ", "fault.b"), (f"{fault.get('fault')} {fault.get('target')}  ", "text"),
                      (f"{latency(felt)} · {latency(back)}", "text.b"), (f"   reverted by {fault.get('reverted_by') or '–'}", "dim")])  # fmt: skip
    return lines


def _stages(detail: dict[str, Any]) -> list[Line]:
    lines = _heading("stages")
    stages = detail.get("stages") or ()
    width = max([14, *(len(str(stage.get("name"))) + 2 for stage in stages)])
    for stage in stages:
        glyph, token, word = VERDICT.get(stage.get("verdict"), VERDICT["invalid"])
        if not _over(stage):
            word = str(stage.get("state"))
            glyph, token = STATE.get(word, VERDICT["waiting"][:2])
        lines.append(
            [
                (f"    {glyph} ", f"{token}.b"),
                (f"{stage.get('name')!s:<{width}}", "text"),
                (f"{stage.get('suite'):<7}", "dim"),
                (word, token),
            ]
        )
    return lines


def _rest(detail: dict[str, Any]) -> list[Line]:
    lines = _heading("run")
    tests = detail.get("tests") or {}
    seed = detail.get("seed")
    lines.append(
        [
            ("    ", "text"),
            (
                f"tests {tests.get('passed', 0)} of {tests.get('planned', 0)} passed   seed {seed if seed is not None else '–'}   commit {(detail.get('commit') or '–')[:8]}",
                "dim",
            ),
        ]
    )
    artifacts = detail.get("artifacts") or ()
    if artifacts:
        lines += [
            *_heading("artifacts", f"{len(artifacts)}, sha256 recorded"),
            *([(f"    {item.get('path')}", "dim")] for item in artifacts[:8]),
        ]
    return lines


class Results(Mode):
    first = "#results"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False),
        Binding("escape", "back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.expression = ""
        self.newest_first = True

    def parts(self) -> ComposeResult:
        yield FilterBar()
        with Horizontal(id="resultsrow"):
            yield ResultsTable("results")
            yield Detail("detail")

    def on_mount(self) -> None:
        super().on_mount()
        self.center.read_results(self.expression, self.newest_first)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.is_mounted:
            self.center.read_results(self.expression, self.newest_first)

    def action_filter(self) -> None:
        self.query_one("#filter", Input).focus()

    def action_sort(self) -> None:
        self.newest_first = not self.newest_first
        self.center.read_results(self.expression, self.newest_first)

    def action_back(self) -> None:
        self.remove_class("detail")
        self.query_one("#results").focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.expression = message.value.strip()
        self.center.read_results(self.expression, self.newest_first)
        self.query_one("#results").focus()

    def show_results(self, expression: str, source: PageSource | None, error: str) -> None:
        if expression != self.expression:
            return
        table = self.query_one("#results", ResultsTable)
        table.error = error
        if source is not None:
            table.show(source, keep=True)
        else:
            table.touch()
        if not error and not len(table):
            self.query_one("#detail", Detail).show(None)

    def show_detail(self, run: str, detail: dict[str, Any]) -> None:
        current = self.query_one("#results", ResultsTable).current()
        if current is not None and current.run == run:
            self.query_one("#detail", Detail).show(detail)

    def on_paged_table_chosen(self, message: PagedTable.Chosen[RunRow]) -> None:
        if message.row is not None:
            self.center.read_detail(message.row.run)

    def on_paged_table_opened(self, message: PagedTable.Opened[RunRow]) -> None:
        if self.size.width < 120 and not self.has_class("detail"):
            self.add_class("detail")
            self.call_after_refresh(self.query_one("#detail").focus)
        else:
            self.center.follow(message.row.run)
            self.center.action_mode("live")
