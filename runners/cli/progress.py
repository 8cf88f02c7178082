"""A run as people see it: one plain line a phase; on a terminal also one line that is redrawn, with elapsed / planned."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

from runners.cli.sending import Sending, heard, summary
from runners.cli.session import Session
from runners.events import Event
from runners.lib.text import one_line
from runners.lib.units import format_duration

_REDRAW_S = 0.25
_MARKS = {"passed": "✓", "failed": "✗", "invalid": "?", None: "–"}


class Progress:
    """Takes every event of a run in order. `tick` redraws; `close` leaves the terminal clean."""

    def __init__(self, session: Session, run: str, *, detail: bool = False) -> None:
        self._session, self._run, self._detail = session, run, detail
        self._plan: dict[str, dict[str, Any]] = {}
        self._running: dict[str, float] = {}
        self._told: dict[str, str | None] = {}
        self._sending = Sending()
        self._drawn = False
        self._next = 0.0

    def event(self, event: Event) -> None:
        """With --json the event itself; else a line where people want one."""
        self._session.event(event)
        self._sending.take(event)
        if not self._session.json and (text := self._line(event)):
            self._wipe()
            self._session.say(text)

    def _line(self, event: Event) -> str | None:
        if event["run"] == self._run:
            return self._campaign_line(event)
        return self._stage_line(event)

    def _campaign_line(self, event: Event) -> str | None:
        stage = event.get("stage_name")
        match event["type"]:
            case "run.started":
                self._plan = {item["name"]: item for item in event["stages"]}
                if self._detail:
                    return None
                names = ", ".join(self._plan)
                return f"{event['campaign']} on {event['environment']} · seed {event['seed']} · stages: {names}"
            case "queued":
                return f"waiting for environment {event['environment']}"
            case "stage.starting":
                self._running[str(stage)] = event["ts"]
                return None if self._detail else f"▶ {stage}"
            case "stage.finished":
                begun = self._running.pop(str(stage), None)
                took = "" if begun is None else f" in {format_duration(event['ts'] - begun)}"
                word = event["verdict"] if event["state"] == "finished" else event["state"]
                told = event["reason"] == self._told.get(str(stage))  # by the test that found it
                reason = one_line(event["reason"] or "").removeprefix(f"{word}: ")
                why = f": {reason}" if event["reason"] not in (None, "", word) and not told else ""
                again = " · tried again" if event.get("retry") else ""
                return f"{_MARKS.get(event['verdict'], '?')} {stage} {word}{took}{why}{again}"
            case "gate":
                return f"{_MARKS.get(event['verdict'], '?')} gate {event['expr']} {event['verdict']}{_found(event)}"
            case "fault.reverted":
                return f"  fault {event.get('fault')} of {event.get('target')} reverted by {event.get('by')}"
            case "cancelling":
                return "cancelling: faults are reverted, results kept (once more: at once)"
        return None

    def _stage_line(self, event: Event) -> str | None:
        stage = event.get("stage", "")
        match event["type"]:
            case "fault.injected":
                return f"  {stage}: {event.get('fault')} of {event.get('target')}"
            case "ledger" if event.get("kind") == "sent":
                return f"  {stage}: {summary(event)}"
            case "score" if event["document"].get("expected") is not None:  # without figures it is not assessed
                return f"  {stage}: {heard(event)}"
            case "recovery":
                took = event.get("time_to_recover_s")
                return f"  {stage}: recovered in {format_duration(float(took))}" if took is not None else None
            case "log" if event.get("level") in ("warn", "error") or self._session.verbose:
                return f"  {stage}: {one_line(str(event.get('message')))}"
            case "output" if self._session.verbose:
                return f"  {stage}| {one_line(str(event.get('text')))}"
            case "test.finished" if event.get("outcome") in ("failed", "invalid") or self._session.verbose:
                message = f": {one_line(str(event['message']))}" if event.get("message") else ""
                self._told[stage] = event.get("message")
                return f"  {stage}: {event.get('id')} {event.get('outcome')}{message}"
        return None

    def tick(self) -> None:
        """Redraw the live line at most four times a second."""
        if not self._session.interactive or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _REDRAW_S
        now = time.time()
        parts = []
        for stage, begun in self._running.items():
            planned = self._plan.get(stage, {}).get("estimate_s")
            total = f"/{planned:.0f}" if planned else ""
            parts.append(f"{stage} {now - begun:.0f}{total} s")
        if text := self._sending.text:
            parts.append(text)
        self._wipe()
        if self._running:
            # A line that wraps could not be wiped.
            sys.stderr.write(("… " + " · ".join(parts))[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()
            self._drawn = True

    def _wipe(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            self._drawn = False

    def close(self) -> None:
        self._wipe()
        sys.stderr.flush()


def _found(gate: Event) -> str:
    """What a gate found: of one that passed the value, of another one the reason, which has the value too."""
    value = gate["value"]
    if gate["verdict"] != "passed" and gate.get("reason"):
        return f": {one_line(str(gate['reason']))}"
    if value is None or isinstance(value, bool):
        return ""
    return f" ({value:.4g})" if isinstance(value, float) else f" ({value})"
