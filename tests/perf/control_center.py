"""The control center's own widgets against the stock ones they replace."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import DataTable

from runners.lib.ids import new_run_id
from runners.results.models import Execution
from runners.results.pages import RunPages
from runners.results.store import open_store
from tests.perf.harness import Round, case
from tui.live_gateway import _Pages
from tui.screens.results import ResultsTable

COLUMNS = ("run", "campaign", "verdict", "started", "took", "passed", "failed", "commit", "why")


class TableApp(App[None]):
    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


def _fill(url: str, rows: int) -> None:
    store = open_store(url)
    batch: list[dict[str, Any]] = [
        {"id": new_run_id(), "campaign": "smoke", "environment": "local", "state": "finished", "verdict": "passed", "started_at": 1.79e9 + i, "duration_s": 60.0, "planned": 20, "passed": 20}
        for i in range(rows)
    ]  # fmt: skip
    with store.engine.begin() as connection:
        for at in range(0, rows, 5000):
            connection.execute(insert(Execution), batch[at : at + 5000])


def _paint(widget: Widget) -> None:
    widget.render_lines(Region(0, 0, widget.size.width, widget.size.height))


async def _open_ours(url: str) -> float:
    """CPU seconds from asking for the rows to the painted table, End and Home included."""
    table = ResultsTable("results")
    async with TableApp(table).run_test(size=(160, 48)) as pilot:
        before = time.process_time()
        table.show(_Pages(RunPages(open_store(url))))
        await pilot.pause()
        _paint(table)
        for target in (len(table), -len(table)):
            table.action_move(target)
            _paint(table)
        await pilot.pause()
        return time.process_time() - before


async def _open_stock(url: str) -> float:
    """The same with DataTable, which wants every row."""
    table: DataTable[str] = DataTable(cursor_type="row")
    async with TableApp(table).run_test(size=(160, 48)) as pilot:
        before = time.process_time()
        pages = RunPages(open_store(url))
        table.add_columns(*COLUMNS)
        table.add_rows(
            (item["run"], item["campaign"], item["verdict"], str(item["started_at"]), str(item["duration_s"]), str(item["tests"]["passed"]), str(item["tests"]["failed"]), str(item["commit"]), str(item.get("reason")))
            for item in pages.rows(0, len(pages))
        )  # fmt: skip
        await pilot.pause()
        _paint(table)
        table.move_cursor(row=len(pages) - 1)
        _paint(table)
        await pilot.pause()
        return time.process_time() - before


@case("table_100k_rows", unit="s CPU", against="DataTable", at_most=1 / 50)
def table_100k_rows(quick: bool) -> Iterator[Round]:
    """Opening the results with 100,000 runs in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/results.db"
        _fill(url, 5_000 if quick else 100_000)
        for _ in range(1 if quick else 3):
            yield Round(asyncio.run(_open_ours(url)), asyncio.run(_open_stock(url)))


def run_in_terminal(arguments: list[str], *, columns: int = 160, rows: int = 48, patience_s: float = 120) -> None:
    """Run a Python module under a pseudo-terminal and read what it paints. Raises RuntimeError when it fails."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execve(sys.executable, [sys.executable, "-m", *arguments], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    deadline = time.monotonic() + patience_s
    painted = b""
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            painted = (painted + data)[-2000:]
    else:
        os.kill(pid, 9)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"{arguments[0]} ended with status {status}: {painted[-300:]!r}")


def _cpu_per_line(kind: str, rate: int, seconds: float) -> float:
    """CPU microseconds a line."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        run_in_terminal(["tests.perf._log_app", kind, str(rate), str(seconds), str(out)])
        result = json.loads(out.read_text())
    if kind == "ring" and result["lines"] < 0.95 * rate * (seconds - 0.5):
        raise RuntimeError(f"only {result['lines']} of {rate * seconds:.0f} lines were taken")
    return float(result["cpu_s"] / result["lines"] * 1e6)


@case("log_10k_lines_a_second", unit="us CPU/line", against="RichLog.write", at_most=1 / 10)
def log_10k_lines_a_second(quick: bool) -> Iterator[Round]:
    """10,000 lines a second into the log, painted on a real terminal."""
    for _ in range(1 if quick else 3):
        yield Round(_cpu_per_line("ring", 10_000, 2 if quick else 6), _cpu_per_line("rich", 10_000, 2 if quick else 6))
