"""How provisioning looks on a terminal, in a log and as event lines."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

from runners.cli.session import Session
from runners.environment.status import choices, lines
from runners.environment.up import Up
from runners.lib.files import read_json
from runners.lib.home import Environment
from runners.lib.text import one_line
from runners.lib.units import format_duration

_WORTH_TELLING_MS = 100  # rendering a file is not a phase


class Interrupts:
    """Counts SIGINT and SIGTERM instead of dying of them: the first asks for an orderly end, the second for one at once."""

    def __init__(self, session: Session, message: str) -> None:
        self._session, self._message, self._count = session, message, 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def count(self) -> int:
        return self._count

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._session.say(self._message)


class Progress:
    """One plain line a phase; on a terminal the line is drawn in place. With --json, event lines."""

    def __init__(self, session: Session, name: str) -> None:
        self._session, self._name = session, name
        self._began = time.monotonic()
        self._drawn = False

    def take(self, event: dict[str, Any]) -> None:
        self._emit(event)
        if self._session.json:
            return
        if event["type"] == "phase":
            self._line(str(event.get("message") or event["name"]))
            return
        if event["outcome"] == "skipped":
            return
        role = f"{event['role']}: " if event["role"] else ""
        text = f"{role}{event['task']}"
        if event["outcome"] == "failed":
            self._line(f"{text} failed: {one_line(event.get('message', ''))}")
        elif event["outcome"] == "changed" and event["duration_ms"] >= _WORTH_TELLING_MS:
            self._line(f"{text} ({format_duration(event['duration_ms'] / 1000)})")
        if event["role"] == "workspace" and event["outcome"] == "changed":
            self._services()

    def end(self, document: dict[str, Any], **fields: Any) -> None:
        """The last event; and a clean line on a terminal."""
        self.clear()
        self._emit({"type": "environment", "state": document["state"], "services": document["services"], **fields})

    def clear(self) -> None:
        if self._drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._drawn = False

    def _services(self) -> None:
        """What is real and what stands in, as soon as it is decided."""
        state = read_json(self._session.home.env(self._name).state) or {}
        for service in state.get("services") or []:
            self._keep(
                f"  {service['title']} {service['version']}: {service['implementation']}, from {service['origin']}"
                + (f", port {service['port']}" if service["port"] else "")
                + (f" ({service['note']})" if service.get("note") else "")
            )
        for service in state.get("absent") or []:
            self._keep(f"  {service['title']}: absent, {service['reason']}")
        if (line := choices(state)) is not None:
            self._keep(f"  {line}")
        for folder in state.get("outside") or []:
            self._keep(
                f"  PostgreSQL does not run as root and its user cannot reach the home: its data lies in {folder}"
            )

    def _line(self, text: str) -> None:
        if self._session.interactive:
            elapsed = format_duration(time.monotonic() - self._began)
            print(f"\r\033[K{elapsed:>8}  {one_line(text, 100)}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        else:
            self._session.say(text)

    def _keep(self, text: str) -> None:
        self.clear()
        self._session.say(text)

    def _emit(self, event: dict[str, Any]) -> None:
        head = {"v": 1, "ts": round(time.time(), 6), "environment": self._name}
        self._session.event(head | event)


def summary(environment: Environment, done: Up) -> str:
    """What a user wants to read after `up`: services, URLs, where the logins are, what to do next."""
    document = done.status
    changed = "nothing had to be changed" if done.changed == 0 else f"{done.changed} changes"
    text = [f"environment {environment.name} is {document['state']} after {format_duration(done.seconds)}: {changed}"]
    text += [f"  {line}" for line in lines(document)]
    if (line := choices(document)) is not None:
        text.append(f"  {line}")
    took = {item["name"]: item["took_s"] for item in document["services"] if item.get("took_s") is not None}
    if took and done.changed:
        text.append("  from start to health: " + " · ".join(f"{name} {format_duration(s)}" for name, s in took.items()))
    text += [f"  {name:<8} {url}" for name, url in document["urls"].items() if url]
    if environment.identities.exists():
        text.append(f"  logins   {environment.identities}")
    if document["defects"]:
        text.append(f"  known defects switched on: {', '.join(document['defects'])}")
    # Whose processes are not on this machine cannot be broken from here: smoke would be refused at its fault.
    campaign = "smoke" if document["kind"] in ("local", "compose") else "smoke-without-chaos"
    text.append(f"  next: testbed run {campaign} --env {environment.name} · testbed down {environment.name}")
    return "\n".join(text)
