"""Runs as they are watched: one is followed by a thread, others are read as a whole and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from tui.gateway import Gateway, GatewayError
from tui.pump import Pump
from tui.render.numbers import short
from tui.state.live_run import LOG_LINES, LiveRun, LogLine

POLL_S = 0.1
KEPT = 8


class Following:
    """The run that the live screen shows. A thread reads its events; whoever paints takes them a few times a second."""

    def __init__(self, gateway: Gateway, failed: Callable[[str, str], None]) -> None:
        """failed: told (what, why) from the reading thread."""
        self._gateway, self._failed = gateway, failed
        self.live: LiveRun | None = None
        self.lines: list[LogLine] = []
        self.frozen = False
        self._pump, self._seen = Pump(), -1
        self._stop = threading.Event()

    def follow(self, run: str) -> bool:
        """Show this run; a finished one is replayed to its end. False when it is shown already."""
        if self.live is not None and self.live.run == run:
            return False
        self.stop()
        self._stop, self._pump, self._seen = threading.Event(), Pump(), -1
        self.live, self.lines, self.frozen = LiveRun(run), [], False
        threading.Thread(
            target=self._read, args=(run, self._stop, self._pump), name=f"follow {short(run)}", daemon=True
        ).start()
        return True

    def stop(self) -> None:
        """The thread ends by itself, soon."""
        self._stop.set()

    def _read(self, run: str, stop: threading.Event, pump: Pump) -> None:
        try:
            tail = self._gateway.tail(run)
            while not stop.is_set():
                pump.put(tail.poll())
                if tail.over:
                    return
                stop.wait(POLL_S)
        except GatewayError as error:
            self._failed(f"Run {short(run)}", str(error))

    def take(self) -> tuple[bool, list[LogLine]]:
        """(did anything change, the new lines of the log); nothing while frozen."""
        live = self.live
        if live is None or self.frozen:
            return False, []
        for happening in self._pump.drain():
            live.feed(happening)
        lines = list(live.new_lines)
        live.new_lines.clear()
        self.lines = (self.lines + lines)[-LOG_LINES:]
        changed, self._seen = live.revision != self._seen, live.revision
        return changed, lines


class Replays:
    """Runs read from their first event to their last; the finished ones are kept."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._kept: OrderedDict[str, LiveRun] = OrderedDict()

    def known(self, run: str) -> LiveRun | None:
        return self._kept.get(run)

    def read(self, run: str) -> LiveRun:
        """Blocks: for a thread. Raises GatewayError."""
        view = LiveRun(run)
        for happening in self._gateway.tail(run).poll():
            view.feed(happening)
        return view

    def keep(self, view: LiveRun) -> None:
        if view.over:
            self._kept[view.run] = view
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
