"""Bring services up, each as soon as what it requires is healthy, all at once where nothing forbids it."""

from __future__ import annotations

import threading
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from runners.environment.host.listeners import is_foreign
from runners.environment.host.probes import probe
from runners.environment.host.supervisor import BACKOFF, FATAL, Control, Unreachable
from runners.lib import proc

POLL_S = 0.1
BACKOFF_PATIENCE_S = 4.0
MAX_LIVES = 3  # processes of one service that may end before it is healthy


@dataclass
class Outcome:
    """reason: why it is not healthy, None when it is. started: whether this call started it. seconds: from the start of its
    process until it was healthy, or until it was given up."""

    reason: str | None = "not asked yet"
    started: bool = False
    seconds: float = 0.0


def kick(programs: Iterable[str], supervisor: Mapping[str, Any]) -> list[str]:
    """Start these without waiting, as far as supervisord lets; returns those that did not run. What fails here is told by
    whoever waits for them."""
    started = []
    try:
        control = Control(supervisor)
        for program in programs:
            try:
                started += [program] if control.start(program) else []
            except xmlrpc.client.Fault:
                continue
    except Unreachable:
        pass
    return started


def bring_up(
    services: Iterable[Mapping[str, Any]], supervisor: Mapping[str, Any], *, start: bool, patience_s: float = 60.0
) -> dict[str, Outcome]:
    """Outcome by service. start: start what does not run; else only wait. Requirements outside `services` count as met.

    Gives up on a service when supervisord does, when it keeps ending for some seconds, or when the patience is over.
    """
    todo = {service["name"]: service for service in services}
    outcomes = {name: Outcome() for name in todo}
    settled = {name: threading.Event() for name in todo}
    deadline = time.monotonic() + patience_s

    def work(service: Mapping[str, Any]) -> None:
        name = service["name"]
        try:
            outcomes[name] = _one(service, supervisor, settled, outcomes, start=start, deadline=deadline)
        except Unreachable as error:
            outcomes[name] = Outcome(f"supervisord does not answer: {error}")
        except xmlrpc.client.Fault as fault:
            outcomes[name] = Outcome(f"supervisord refuses to start it: {fault.faultString}")
        finally:
            settled[name].set()

    if todo:
        with ThreadPoolExecutor(len(todo)) as pool:
            list(pool.map(work, todo.values()))
    return outcomes


def _one(
    service: Mapping[str, Any],
    supervisor: Mapping[str, Any],
    settled: Mapping[str, threading.Event],
    outcomes: Mapping[str, Outcome],
    *,
    start: bool,
    deadline: float,
) -> Outcome:
    for needed in service["requires"]:
        if needed in settled:
            settled[needed].wait(max(0.0, deadline - time.monotonic()))
            if outcomes[needed].reason is not None:
                return Outcome(f"it requires {needed}, which is not healthy")
    control, began, port = Control(supervisor), time.monotonic(), int(service["port"])
    started = start and control.start(service["program"])
    falling: float | None = None
    lives: set[int] = set()
    while True:
        reason = probe(service["health"])
        now = time.monotonic()
        process = control.processes().get(service["program"])
        if reason is None and process is not None and process.pid and not is_foreign(port, process.pid):
            age = proc.age_s(process.pid)
            return Outcome(None, started, round(now - began if age is None else age, 2))
        # Somebody answers, and it is not the process: whatever it says, the service is not healthy.
        foreign = reason is None or (process is not None and process.pid and is_foreign(port, process.pid))
        reason = f"another program listens on its port {port}" if foreign else reason
        told = f"{reason}; it" if foreign else "it"
        if process is None or process.code == FATAL:
            return Outcome(f"supervisord gave up: {told} ends right after its start", started, round(now - began, 3))
        falling = (falling or now) if process.code == BACKOFF else None
        lives |= {process.pid} - {0}
        if len(lives) > MAX_LIVES or (falling is not None and now - falling > BACKOFF_PATIENCE_S):
            return Outcome(f"{told} ends after its start, again and again", started, round(now - began, 3))
        if now > deadline:
            return Outcome(f"not ready in time: {reason}", started, round(now - began, 3))
        time.sleep(POLL_S)


def probe_all(services: Iterable[Mapping[str, Any]], *, timeout_s: float = 2.0) -> dict[str, str | None]:
    """By service: None when ready, else why not; all asked at once."""
    asked = list(services)
    if not asked:
        return {}
    with ThreadPoolExecutor(len(asked)) as pool:
        reasons = pool.map(lambda service: probe(service["health"], timeout_s=timeout_s), asked)
        return {service["name"]: reason for service, reason in zip(asked, reasons, strict=True)}
