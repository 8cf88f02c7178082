"""The process of one campaign: owns its order of stages, the lease, the ends; may die at any moment.

Every decision is computed from the files (locks, `started`, exit.json, events.jsonl), so a successor decides the same.
It holds coord.lock, inherited from its starter. End, each step repeatable: `run.finished`, lease, database, exit.json,
and last the live mark. The lease goes first, because a database that is away must not keep anybody from the environment.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from runners.events import Event, body
from runners.lib import locks, proc
from runners.lib.files import read_json, reserve, write_json
from runners.lib.home import Home
from runners.orchestrator import lease
from runners.orchestrator.crashpoints import point
from runners.orchestrator.gating import declared_gates, evaluate_gates
from runners.orchestrator.journal import EVENTS, DiskFull, Journal
from runners.orchestrator.mirror import Mirror, Store, log
from runners.orchestrator.queueing import first_in_line
from runners.orchestrator.spec import load_spec
from runners.orchestrator.stage import Stage, Surroundings
from runners.orchestrator.starting import request_cancel, start_coordinator
from runners.orchestrator.tail import Tail
from runners.orchestrator.verdicts import exit_code, judge_campaign

TICK_S = 0.05
LEASE_PATIENCE_S = 5.0
STORE_PATIENCE_S = 30.0
STORE_BUSY_S = 5.0
FULL_PATIENCE_S = 5.0
ALONE_S = 2.0  # so long without a spectator is "disconnected"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Coordinator:
    """lock: the descriptor of coord.lock, already locked."""

    def __init__(self, home: Home, run: str, lock: int) -> None:
        os.set_inheritable(lock, False)
        self.home, self.folder = home, home.run(run)
        self.spec = load_spec(self.folder)
        self.environment = home.env(self.spec.environment)
        self._identify()
        if not (self.folder / "exit.json").exists():
            reserve(self.folder / "exit.json.tmp", 4096)
            reserve(self.folder / "reserve", 65536)
        self.journal = Journal(self.folder, run)
        self.said: dict[tuple[str, str | None], Event] = {}
        for event in Tail(self.folder / EVENTS).read():
            self._remember(event)
        self.unsaid: list[tuple[bytes, bool]] = []
        self.held: lease.Lease | None = None
        self.request: dict[str, Any] | None = None
        self.seen = time.monotonic()
        self.full_since: dict[str, float] = {}
        self.mirror = Mirror(home, self.spec, self._open_store)
        self.around = Surroundings(home, self.spec, self.environment, self.said, self.say, lambda: not self.unsaid)
        self.stages = {stage.name: Stage(stage, self.around) for stage in self.spec.stages}

    def _identify(self) -> None:
        me = os.getpid()
        found = proc.stat(me)
        assert found is not None
        identity = {"pid": me, "start": found.start, "boot": proc.boot_id()}
        with suppress(OSError):  # a full disk: only a hung coordinator could then not be killed by its front end
            write_json(self.folder / "pid.json", identity, sync=False)

    def _open_store(self) -> Store:
        from runners.results.store import open_store

        return open_store(results_url(self.home, self.spec.id), busy_timeout_s=STORE_BUSY_S)

    # -- the journal

    def _remember(self, event: Event) -> None:
        self.said[event["type"], _key(event["type"], event)] = event

    def say(self, type_: str, *, sync: bool = False, **fields: Any) -> None:
        """An event of the campaign, once: a successor finds it said. Kept and retried while the disk is full."""
        key = _key(type_, fields)
        if (type_, key) in self.said:
            return
        line = body(type_, **fields)
        self.said[type_, key] = json.loads(line)
        self.unsaid.append((line, sync))
        self._flush()

    def _flush(self) -> None:
        while self.unsaid:
            line, sync = self.unsaid[0]
            try:
                self.journal.append([line], sync=sync)
            except DiskFull:
                return
            del self.unsaid[0]

    # -- the life of the campaign

    def run(self) -> None:
        done = self.said.get(("run.finished", None))
        if done is None:
            self.said.pop(("coordinator.started", None), None)
            self.say("coordinator.started", pid=os.getpid())
        else:  # the predecessor died while it tidied up; nothing may follow run.finished
            if self.spec.lease and lease.orphan(self.home, self.environment) == self.spec.id:
                found = lease.take(self.home, self.environment, self.spec.id)
                self.held = found if isinstance(found, lease.Lease) else None
            self.mirror.start()
            self._close(done["state"], done["verdict"], done["reason"])
            return
        refused = self._take_lease() if self.spec.lease else None
        if refused is not None:
            self.mirror.start()
            self._close(*refused)
            return
        self._announce()
        self._tick()
        self.mirror.start()  # after the first stages: loading a database library takes longer than starting them
        while not all(stage.outcome for stage in self.stages.values()):
            time.sleep(TICK_S)
            self._tick()
        self._judge()

    def _take_lease(self) -> tuple[str, str | None, str] | None:
        """None when it is ours; else how the campaign ends instead.

        A campaign that has begun cannot end here, because its stages may live: should somebody else have got the
        environment while its coordinator was dead, it is cancelled in good order.
        """
        begun = ("run.started", None) in self.said
        end = time.monotonic() + LEASE_PATIENCE_S
        while True:
            self._look_for_request()
            if self.request and not begun:
                return "cancelled", None, "cancelled before it started"
            if begun or not self.spec.queue or first_in_line(self.home, self.spec):
                found = lease.take(self.home, self.environment, self.spec.id)
                if isinstance(found, lease.Lease):
                    self.held = found
                    return self._not_ready() if self.spec.queue and not begun else None
                orphan = lease.orphan(self.home, self.environment)
                if found.run and found.run != self.spec.id and orphan == found.run:
                    start_coordinator(self.home, found.run)  # bring it back rather than rob it
                if begun and time.monotonic() > end:
                    request_cancel(self.folder, self.spec.stages[0].grace_s)
                    return None
                if not begun and not self.spec.queue and (found.final or time.monotonic() > end):
                    reason = f"environment {self.spec.environment} is leased by {found}"
                    return "skipped", "invalid", reason
            if self.spec.queue:
                self.say("queued", environment=self.spec.environment)
            time.sleep(0.2 if self.spec.queue else 0.02)

    def _not_ready(self) -> tuple[str, str | None, str] | None:
        """A campaign that has waited looks again whether its environment is still there."""
        from runners.environment.service import require_ready
        from runners.lib.errors import TestbedError

        try:
            require_ready(self.home, self.spec.environment)
        except TestbedError as error:
            return "skipped", "invalid", error.what
        return None

    def _announce(self) -> None:
        spec = self.spec
        stages = [
            {
                "name": stage.name, "suite": stage.suite, "action": stage.action, "run": stage.runs[0],
                "needs": list(stage.needs), "during": stage.during, "at": stage.at_s, "optional": stage.optional,
                "critical": stage.critical, "duration_s": stage.duration_s, "estimate_s": stage.estimate_s,
            }
            for stage in spec.stages
        ]  # fmt: skip
        self.say(
            "run.started", plan=[stage.name for stage in spec.stages], campaign=spec.campaign,
            environment=spec.environment, seed=spec.seed, config=spec.config, stages=stages, gates=list(spec.gates),
            commit=spec.commit, defects=list(spec.defects), boot=proc.boot_id(),
            services=_services(self.environment.state), command=spec.command or None,
        )  # fmt: skip

    def _tick(self) -> None:
        """One look at everything. Each part may be repeated, so a full disk only postpones it."""
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            self._flush()
            self._look_for_request()
            self._look_for_spectators()
            for stage in self.stages.values():
                stage.read()
            for stage in self.stages.values():
                if stage.outcome is None:
                    self._step(stage)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            log(f"disk full: {error}")

    def _step(self, stage: Stage) -> None:
        """A full disk stops one stage, not the others; one that cannot be written down for long has failed."""
        try:
            stage.step(self.stages, self.request)
            self.full_since.pop(stage.name, None)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            since = self.full_since.setdefault(stage.name, time.monotonic())
            if time.monotonic() > since + FULL_PATIENCE_S:
                stage.give_up(f"disk full: {error}")

    def _look_for_request(self) -> None:
        found = read_json(self.folder / "cancel")
        if isinstance(found, dict):
            self.say("cancelling")
            self.request = {"grace": float(found.get("grace", 5.0)), "reason": None}
        elif self.request is None and self._overdue():
            grace = self.spec.stages[0].grace_s if self.spec.stages else 5.0
            self.request = {"grace": grace, "reason": "timed_out"}

    def _overdue(self) -> bool:
        """Counted on the monotonic clock from run.started, which a restart of the coordinator does not move."""
        started = self.said.get(("run.started", None))
        if started is None or started.get("boot") != proc.boot_id():
            return False
        return time.monotonic_ns() > int(started["mono_ns"]) + self.spec.timeout_s * 1e9

    def _look_for_spectators(self) -> None:
        if locks.held(self.folder / "attached"):
            self.seen = time.monotonic()
        elif self.spec.on_disconnect == "cancel" and self.request is None and time.monotonic() > self.seen + ALONE_S:
            request_cancel(self.folder, self.spec.stages[0].grace_s if self.spec.stages else 5.0)

    # -- the end

    def _judge(self) -> None:
        if ("cancelling", None) in self.said:
            self._close("cancelled", None, "cancelled")
            return
        runs = {name: stage.attempt.run for name, stage in self.stages.items() if stage.was_started}
        for gate in evaluate_gates(self.home, self.spec, runs):
            self.say("gate", **gate)
        endings = {name: stage.outcome.ending for name, stage in self.stages.items() if stage.outcome}
        gates = declared_gates(self.spec.gates, self.said)
        verdict, reason = judge_campaign(endings, gates, self.spec.optional_gates)
        timed_out = self.request is not None and self.request["reason"] == "timed_out"
        if timed_out and verdict == "passed":
            verdict, reason = "invalid", "the campaign's time was up"
        self._close("timed_out" if timed_out else "finished", verdict, reason)

    def _close(self, state: str, verdict: str | None, reason: str | None) -> None:
        self.say("run.finished", sync=True, state=state, verdict=verdict, reason=reason)
        self._make_room()
        point("close:said")
        if not self.unsaid:  # else a successor would have to judge again
            self._release()
        point("close:lease")
        stored = self.mirror.finish(STORE_PATIENCE_S) and not self.unsaid
        point("close:stored")
        if not (self.folder / "exit.json").exists():
            document = {
                "state": state, "verdict": verdict, "reason": reason, "exit_code": exit_code(state, verdict),
                "seq": self.journal.seq, "stored": stored, "problem": self.mirror.problem,
                "cpu_s": round(time.process_time(), 3), "at": time.time(),
            }  # fmt: skip
            write_json(self.folder / "exit.json", document)
        point("close:exit")
        self._release()
        (self.folder / "reserve").unlink(missing_ok=True)
        if stored:
            (self.home.live / self.spec.id).unlink(missing_ok=True)

    def _release(self) -> None:
        if self.held is not None:
            self.held.release()
            self.held = None

    def _make_room(self) -> None:
        """On a full disk the last events use the reserve, then wait a while for space."""
        end = time.monotonic() + FULL_PATIENCE_S
        if self.unsaid:
            (self.folder / "reserve").unlink(missing_ok=True)
        while self.unsaid and time.monotonic() < end:
            self._flush()
            time.sleep(0.1 if self.unsaid else 0)


def _key(type_: str, fields: Mapping[str, Any]) -> str | None:
    """What makes an event of this type the same one: the attempt of a stage, the gate, the fault, or nothing."""
    group = type_.partition(".")[0]
    by = {"stage": "run_id", "gate": "expr", "fault": "id"}.get(group)
    return None if by is None else fields.get(by)


def results_url(home: Home, run: str) -> str:
    """The database this run was launched with; the file is 0600, as a URL may hold a password."""
    try:
        return (home.run(run) / "results.url").read_text().strip() or home.results_url
    except FileNotFoundError:
        return home.results_url


def main(arguments: list[str]) -> None:
    """`HOME RUN LOCK_FD`."""
    home, run, lock = Home(Path(arguments[0])), arguments[1], int(arguments[2])
    try:
        Coordinator(home, run, lock).run()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        log(f"disk full: {error}")
        time.sleep(1)  # the next one finds the same disk: no hurry


def _services(state: Path) -> list[dict[str, Any]]:
    """What the environment consists of, as it was provisioned: for whoever reads the run when it is long gone."""
    document = read_json(state)
    found = document.get("services") if isinstance(document, dict) else None
    names = ("name", "implementation", "version", "port")
    return [{name: item.get(name) for name in names} for item in found or () if isinstance(item, dict)]
