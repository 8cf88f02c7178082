"""Top bar, tabs, message row and key row: on every screen, and over every overlay."""

from __future__ import annotations

import time

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from tui.render.look import HEALTH, VERDICT, Line, Piece, fit, join
from tui.render.numbers import clock
from tui.widgets.paint import Paint, Panel

MODES = ("runs", "live", "results")
WIDE = 120


class TopBar(Paint):
    """Environment health, the run that is on, its verdict so far, faults; while aborting the whole row is red."""

    DEFAULT_CSS = "TopBar { height: 1; }"

    def lines(self, cells: int, height: int) -> list[Line]:
        app = self.center
        if app.abort_text:
            fill: Piece = (" ", "on_failed@failed")
            tail: Line = [("esc dismisses ", "on_failed@failed")] if app.abort_done else []
            return [fit(join([(f" ■ {app.abort_text}", "on_failed.b@failed")], tail, cells, fill), cells)]
        wide = cells >= WIDE
        gap = "   " if wide else "  "
        view = app.environment_view
        glyph, token = HEALTH.get(view.state, HEALTH["unknown"])
        line: Line = [
            (" ◆ ", "accent.b"),
            ("ObservaStack Testbed" if wide else "Testbed", "text.b"),
            (gap, "text"),
            (f"{view.name} ", "text"),
        ]
        line += [(f"{glyph} {view.state}", f"{token}.b")]
        if wide and view.total:
            line.append((f" {view.healthy}/{view.total}", "dim"))
        if view.halted:
            line += [(gap, "text"), (" ■ HALTED ", "on_failed.b@failed")]
        if view.defects:
            line += [(gap, "text"), (f"▲ {len(view.defects)} defects on" if wide else "▲", "warn.b")]
        live = app.live
        if live is None:
            line += [(gap, "text"), ("no run", "dim")]
        else:
            glyph, token, word = VERDICT.get(live.so_far, VERDICT["invalid"])
            line += [
                (gap, "text"),
                ("■ " if live.over else "▶ ", "dim" if live.over else "accent.b"),
                (live.campaign, "text.b"),
            ]
            line += [(f" {live.run[:8]}", "dim")] if wide else []
            line += [(f" {clock(live.elapsed)}", "text")]
            line += [(f" / {clock(live.planned_s)}", "dim")] if wide and live.planned_s else []
            line += [("  ", "text"), (f"{glyph} {word}", f"{token}.b")]
            if active := live.active_faults:
                ends = min((fault.reverts_at for fault in active if fault.reverts_at), default=None)
                left = "" if ends is None else f" {clock(max(0.0, ends - time.time()))}"
                line += [
                    (gap, "text"),
                    (f"▼ {len(active)} fault{'s' if len(active) > 1 else ''}" if wide else "▼", "fault.b"),
                    (left, "fault"),
                ]
        right: Line = [(time.strftime("%H:%M:%S", time.gmtime()) + (" UTC " if wide else " "), "dim")]
        return [fit(join(line, right, cells), cells, "surface")]

    def on_click(self) -> None:
        self.center.dismiss_abort()


class Tabs(Paint):
    """The modes and the ABORT chip."""

    DEFAULT_CSS = "Tabs { height: 1; }"

    def _marks(self) -> dict[str, str]:
        live = self.center.live
        if live is None or live.over:
            return {}
        return {"live": "▼" if live.active_faults else "▸"}

    def lines(self, cells: int, height: int) -> list[Line]:
        line: Line = []
        marks = self._marks()
        for number, name in enumerate(MODES, 1):
            mark = marks.get(name, " ")
            if self.center.current_mode == name:
                line += [(f" {number} {name.capitalize()}{mark}", "on_accent.b@accent")]
            else:
                line += [
                    (" ", "text"),
                    (str(number), "accent"),
                    (f" {name.capitalize()}", "text"),
                    (mark, "fault.b" if mark == "▼" else "accent.b"),
                ]
            line.append(("  " if cells >= WIDE else " ", "text"))
        return [join(line, [(self._chip(cells), "on_failed.b@failed")], cells)]

    @staticmethod
    def _chip(cells: int) -> str:
        return " F12 ABORT ALL " if cells >= WIDE else " F12 ABORT "

    def on_click(self, event: events.Click) -> None:
        if event.x >= self.size.width - len(self._chip(self.size.width)):
            self.center.action_abort_all()
            return
        at = 0
        for name in MODES:
            at += len(name) + 4 + (2 if self.size.width >= WIDE else 1)
            if event.x < at:
                self.center.action_mode(name)
                return


class MessageRow(Paint):
    """The equivalent command of what is focused; a message takes its place and covers nothing."""

    DEFAULT_CSS = "MessageRow { height: 1; }"

    def lines(self, cells: int, height: int) -> list[Line]:
        toast = self.center.toast
        if toast is not None:
            fill: Piece = (" ", "text@raised")
            room = cells - 4 - (len(toast.hint) + 2 if toast.hint else 0)
            text = toast.text
            if toast.keep == "end" and len(text) > room:
                text = f"…{text[len(text) - room + 1 :]}"
            left: Line = [(f" {toast.glyph} ", f"{toast.token}.b@raised"), (text, "text.b@raised")]
            return [fit(join(left, [(f"{toast.hint} ", "dim@raised")], cells, fill), cells)]
        return [join([(" $ ", "accent"), (self.center.cli_of_focus(), "dim")], [("y copies ", "dim")], cells)]


class KeyRow(Paint):
    """Up to five keys of the focused panel, then help and palette; fewer where it is narrow."""

    DEFAULT_CSS = "KeyRow { height: 1; }"

    def lines(self, cells: int, height: int) -> list[Line]:
        focused = self.screen.focused
        own = list(focused.keys[:5]) if isinstance(focused, Panel) else [("enter", "apply"), ("esc", "leave")]
        tail = [("?", "help"), ("^p", "palette")]
        gap = 3 if cells >= WIDE else 2
        while own and 1 + sum(len(key) + len(text) + 1 + gap for key, text in [*own, *tail]) > cells:
            own.pop()
        line: Line = [(" ", "text")]
        for key, text in [*own, *tail]:
            line += [(key, "accent.b"), (f" {text}", "text"), (" " * gap, "text")]
        right: Line = [("tab next panel · ^o jump · z zoom ", "dim")] if cells >= WIDE else []
        return [fit(join(line, right, cells), cells, "surface")]


class OverlayChrome(Vertical):
    """The two top rows once more, undimmed: verdict and ABORT stay readable and clickable over an overlay."""

    DEFAULT_CSS = "OverlayChrome { dock: top; height: 2; }"

    def compose(self) -> ComposeResult:
        yield TopBar()
        yield Tabs()
