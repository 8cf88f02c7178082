"""A log that keeps the last lines in a ring and styles only those it shows."""

from __future__ import annotations

import textwrap
import time
from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from tui.render.look import LOG_LEVEL, Line
from tui.state.live_run import LogLine
from tui.widgets.paint import Panel, sentences

KEEP = 10_000


class RingLog(Panel):
    """Follows its end until somebody scrolls; counts what it had to forget."""

    name_text = "Log"
    about = "What the stages say: tests, faults, gates, warnings, plain output. The last 10,000 lines are kept."
    keys: ClassVar[tuple[tuple[str, str], ...]] = (
        ("s", "follow"),
        ("e", "next error"),
        ("w", "wrap"),
        ("↑ ↓", "scroll"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_by(1)", show=False), Binding("up,k", "scroll_by(-1)", show=False),
        Binding("pagedown", "scroll_by(20)", show=False), Binding("pageup", "scroll_by(-20)", show=False),
        Binding("home", "scroll_by(-1000000000)", show=False), Binding("end,s", "follow", show=False),
        Binding("w", "wrap", show=False), Binding("e", "next_error", show=False),
    ]  # fmt: skip

    def __init__(self, identity: str, keep: int = KEEP) -> None:
        super().__init__(id=identity)
        self.ring: deque[LogLine] = deque(maxlen=keep)
        self.seen = 0
        self.following, self.wrapped = True, False
        self._end = 0  # position of the last line shown, counted from all lines ever seen
        self._rate: deque[tuple[float, int]] = deque(maxlen=20)

    def extend(self, lines: Iterable[LogLine]) -> None:
        """Add lines; one repaint whatever their number."""
        before = self.seen
        for line in lines:
            self.ring.append(line)
            self.seen += 1
        if self.seen != before:
            self._rate.append((time.monotonic(), self.seen - before))
            self.touch()

    def clear(self) -> None:
        self.ring.clear()
        self.seen = self._end = 0
        self.following = True
        self.touch()

    def figures(self, cells: int) -> Line:
        now = time.monotonic()
        recent = sum(count for at, count in self._rate if now - at <= 2.0) / 2
        forgotten = self.seen - len(self.ring)
        parts = f"{self.seen:,} lines" if not recent else f"{recent:,.0f} lines/s"
        text = parts + (f" · {forgotten:,} forgotten" if forgotten and cells >= 100 else "")
        return [
            (text, "dim"),
            (" · following ▾" if self.following else " · held", "accent" if self.following else "warn"),
        ]

    def body(self, cells: int, height: int) -> list[Line]:
        if not self.ring:
            return sentences("○", "dim", "Nothing was said yet")[1:]
        if self.following:
            self._end = self.seen
        first_kept = self.seen - len(self.ring)
        self._end = max(min(self._end, self.seen), first_kept + 1)
        lines: list[Line] = []
        position = self._end - 1
        while position >= first_kept and len(lines) < height:
            lines[:0] = self._paint(self.ring[position - first_kept], cells)
            position -= 1
        return lines[-height:]

    def _paint(self, line: LogLine, cells: int) -> list[Line]:
        glyph, token = LOG_LEVEL.get(line.level, LOG_LEVEL["info"])
        wide = cells >= 100
        at = (
            time.strftime("%H:%M:%S", time.gmtime(line.t)) + f".{int(line.t % 1 * 1000):03d}"
            if wide
            else time.strftime("%M:%S", time.gmtime(line.t))
        )
        head: Line = [(f" {at} ", "dim"), (f"{glyph} ", f"{token}.b")]
        if wide:
            head.append((f"{line.level:<6}", token))
        head.append((f"{line.source[:12]:<13}", "accent"))
        room = cells - sum(len(text) for text, _ in head)
        if not self.wrapped or len(line.text) <= room or room < 10:
            return [[*head, (line.text, "text")]]
        first, *rest = textwrap.wrap(line.text, room) or [""]
        return [[*head, (first, "text")], *([(" " * (cells - room), "text"), (part, "text")] for part in rest)]

    def action_scroll_by(self, by: int) -> None:
        self.following = False
        self._end = max(1, min(self.seen, self._end + by))
        if self._end >= self.seen:
            self.following = True
        self.touch()

    def action_follow(self) -> None:
        self.following = True
        self.touch()

    def action_wrap(self) -> None:
        self.wrapped = not self.wrapped
        self.touch()

    def action_next_error(self) -> None:
        """Back to the nearest warning or error above; from the top again when there is none."""
        first_kept = self.seen - len(self.ring)
        order = [*range(self._end - 2, first_kept - 1, -1), *range(self.seen - 1, self._end - 2, -1)]
        for position in order:
            if position >= first_kept and self.ring[position - first_kept].level in ("warn", "error"):
                self._end, self.following = position + 1, False
                self.touch()
                return

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll_by(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll_by(-3)
