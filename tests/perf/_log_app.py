"""An app that appends log lines at a rate for some seconds under a real terminal: a headless one never paints.

python -m tests.perf._log_app KIND LINES_PER_SECOND SECONDS OUT
KIND: ring (ours), rich (RichLog.write a line). OUT gets {lines, cpu_s, shown}.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import RichLog

from tui.state.live_run import LogLine
from tui.widgets.ring_log import RingLog

FLUSH_S = 0.25  # the control center's own tick
LEVELS = ("info", "info", "info", "warn", "error")


def text(number: int) -> str:
    return f"tenant-{number % 7} svc=api-{number % 13} path=/v1/search status={200 if number % 5 else 503} dur={number % 900}ms trace={number:032x}"


class LogApp(App[dict[str, Any]]):
    def __init__(self, kind: str, rate: int, seconds: float) -> None:
        super().__init__()
        self.kind, self.rate, self.seconds = kind, rate, seconds
        self.lines = 0

    def compose(self) -> ComposeResult:
        yield RingLog("log") if self.kind == "ring" else RichLog(max_lines=10_000, markup=False, id="log")

    def on_mount(self) -> None:
        self.set_timer(0.5, self.begin)

    def begin(self) -> None:
        self.started, self.cpu = time.monotonic(), time.process_time()
        self.set_interval(FLUSH_S, self.flush)

    def flush(self) -> None:
        elapsed = time.monotonic() - self.started
        if elapsed >= self.seconds:
            self.exit({"lines": self.lines, "cpu_s": time.process_time() - self.cpu, "elapsed_s": elapsed})
            return
        widget = self.query_one("#log")
        deadline = time.monotonic() + FLUSH_S
        due = range(self.lines, int(elapsed * self.rate))
        if isinstance(widget, RingLog):
            widget.extend(LogLine(time.time(), LEVELS[number % 5], "users", text(number)) for number in due)
            self.lines += len(due)
            return
        assert isinstance(widget, RichLog)
        for number in due:
            widget.write(f"{LEVELS[number % 5]} users {text(number)}")
            self.lines += 1
            if time.monotonic() > deadline:
                return  # it cannot keep up: what it did manage is what counts


if __name__ == "__main__":
    result = LogApp(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])).run()
    Path(sys.argv[4]).write_text(json.dumps(result))
