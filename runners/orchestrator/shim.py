"""Supervisor of one runner: the only writer of its events.jsonl, the only reaper, the one who leaves nothing behind.

Single-threaded on purpose: PDEATHSIG follows the *thread* that forked. It is a child subreaper, holds shim.lock
(inherited from the coordinator) for its whole life and has no PDEATHSIG itself: it outlives the coordinator. Order of
writes: handlers, journal and reserves, pid.json, control socket, `started`, fork; at the end drain, `run.aborted` if
needed, fdatasync, exit.json, socket gone, exit. Imports only the standard library, runners.lib and runners.events.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from runners.events import EVENTS_FD, body
from runners.lib import proc
from runners.lib.files import read_json, reserve, write_json
from runners.orchestrator.crashpoints import point
from runners.orchestrator.journal import DiskFull, Journal
from runners.orchestrator.pipes import Lines, event_of, output_of

COALESCE_S = 0.02  # one wake-up for several events: a third of the CPU at 400 events a second
LOOK_S = 0.25  # how often the request file is read
LEFTOVER_GRACE_S = 1.0
FULL_PATIENCE_S = 3.0
EXIT_RESERVE = 4096
JOURNAL_RESERVE = 65536
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20

Phase = Literal["running", "stopping", "exiting", "ending"]


class Shim:
    """folder: of the stage run, with its spec.json; lock: the descriptor of shim.lock, already locked."""

    def __init__(self, folder: Path, lock: int) -> None:
        os.set_inheritable(lock, False)  # pass_fds left it inheritable: it must not reach the runner
        self.folder = folder
        self.spec: dict[str, Any] = json.loads((folder / "spec.json").read_bytes())
        self.run = str(self.spec["id"])
        self.grace = float(self.spec.get("grace_s", 5.0))
        self.exit_status: int | None = None
        self.reason: str | None = None
        self.phase: Phase = "running"
        self.deadline = 0.0
        self.finished = self.told = False
        self.full_since: float | None = None
        self.pending: list[bytes] = []
        self.important = False
        self.dropped = self.leftover = 0
        self.next_look = 0.0

        self.wake, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        # Handlers, not SIG_IGN and no mask: exec resets only handlers, and the runner must die of SIGTERM.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        proc.prctl(proc.PR_SET_CHILD_SUBREAPER, 1)
        self.journal = Journal(folder, self.run, str(self.spec["stage"]))
        reserve(folder / "exit.json.tmp", EXIT_RESERVE)
        reserve(folder / "reserve", JOURNAL_RESERVE)
        me = os.getpid()
        found = proc.stat(me)
        assert found is not None
        identity = {"pid": me, "start": found.start, "boot": proc.boot_id()}
        write_json(folder / "pid.json", identity, sync=False)
        self.control = self._open_control()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.told = True

    def _open_control(self) -> socket.socket:
        """Bound through /proc/self/fd, because a socket path holds only 107 bytes."""
        self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        with suppress(FileNotFoundError):
            (self.folder / "control.sock").unlink()
        control.bind(f"/proc/self/fd/{self._folder_fd}/control.sock")
        return control

    # -- the runner

    def spawn(self) -> None:
        """Fork the runner. From the mark `started` on, this stage run is lost rather than started a second time."""
        point("shim:before")
        os.close(os.open(self.folder / "started", os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        point("shim:marked")
        events, events_writer = os.pipe2(os.O_CLOEXEC)
        output, output_writer = os.pipe2(os.O_CLOEXEC)
        orders_reader, self.orders = os.pipe2(os.O_CLOEXEC)
        with suppress(OSError):
            import fcntl

            fcntl.fcntl(events, _F_SETPIPE_SZ, _PIPE_BYTES)  # room for the events of a coalescing pause
        me = os.getpid()

        def before_exec() -> None:
            proc.prctl(proc.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != me:  # the shim died between fork and prctl
                os._exit(99)

        runner = subprocess.Popen(
            [sys.executable, "-m", str(self.spec["module"])],
            stdin=orders_reader, stdout=output_writer, stderr=output_writer, pass_fds=[events_writer],
            start_new_session=True, preexec_fn=before_exec, cwd=self.folder,  # noqa: PLW1509  (single-threaded)
            env=self._environment() | {EVENTS_FD: str(events_writer)},
        )  # fmt: skip
        point("shim:spawned")
        runner.returncode = 0  # subprocess must never reap it: only waitpid(-1) below does
        self.runner = runner.pid
        for fd in (events_writer, output_writer, orders_reader):
            os.close(fd)  # else no pipe ever ends
        os.set_blocking(self.orders, False)
        self.events, self.output = Lines(events), Lines(output)
        self.selector = selectors.DefaultSelector()
        for source in (events, output, self.wake, self.control.fileno()):
            self.selector.register(source, selectors.EVENT_READ)
        for source in (events, output):
            os.set_blocking(source, False)

    def _environment(self) -> dict[str, str]:
        """The runner's own marks; a checkout that is not installed stays importable."""
        env = {**os.environ, proc.RUN_MARK: self.run, "TESTBED_RUN_DIR": str(self.folder)}
        root = Path(__file__).resolve().parents[2]
        if root.name not in ("site-packages", "dist-packages"):
            env["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
        return env

    def _reap(self) -> None:
        """The one reaper: also of grandchildren that were handed to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.runner:
                self.exit_status = os.waitstatus_to_exitcode(status)

    # -- events

    def _read(self, lines: Lines) -> bool:
        """Take what the pipe holds; False when that was nothing."""
        found = lines.read()
        for line in found:
            if lines is self.output:
                if text := output_of(line):
                    self.pending.append(text)
            elif parsed := event_of(line):
                self.pending.append(parsed[0])
                kind = str(parsed[1]["type"])
                self.finished |= kind == "run.finished"
                self.important |= kind in ("phase", "run.finished") or kind.startswith("fault.")
        if lines.ended and lines.fd in self.selector.get_map():
            self.selector.unregister(lines.fd)
        return bool(found)

    def _write(self) -> None:
        """Pending events to disk. Disk full: keep them, stop reading (back pressure), retry, give up after 3 s."""
        if not self.pending:
            return
        try:
            self.journal.append(self.pending, sync=self.important)
        except DiskFull as full:
            del self.pending[: full.written]
            if self.full_since is None:
                self.full_since = time.monotonic()
                self._listen(False)
            elif time.monotonic() - self.full_since > FULL_PATIENCE_S:
                self.dropped += len(self.pending)
                self.pending = []
                self.reason = self.reason or "disk full"
            return
        self.pending, self.important = [], False
        if self.full_since is not None:
            self.full_since = None
            self._listen(True)

    def _listen(self, on: bool) -> None:
        for lines in (self.events, self.output):
            known = lines.fd in self.selector.get_map()
            if on and not known and not lines.ended:
                self.selector.register(lines.fd, selectors.EVENT_READ)
            elif not on and known:
                self.selector.unregister(lines.fd)

    # -- orders

    def _take_order(self) -> None:
        """One datagram `{cmd, args}`: handed to the runner's standard input and answered by a `control` event."""
        try:
            data = self.control.recv(65536)
            order = json.loads(data)
            command = str(order["cmd"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        try:
            os.write(self.orders, json.dumps(order).encode() + b"\n")
            accepted = True
        except OSError:
            accepted = False
        if command == "stop" and self.phase == "running":
            self.phase, self.deadline = "stopping", time.monotonic() + float(self.spec.get("stop_s", 3.0))
        self.pending.append(body("control", cmd=command, args=order.get("args"), accepted=accepted))

    def _look_for_request(self, now: float, woken: bool) -> None:
        """The request file says why; a signal alone is a cancel. The file also works when no signal could."""
        if not woken and now < self.next_look:
            return
        self.next_look = now + LOOK_S
        request = read_json(self.folder / "cancel")
        if isinstance(request, dict):
            self.reason = self.reason or str(request.get("reason") or "cancelled")
            self.grace = min(self.grace, float(request.get("grace", self.grace)))
            if self.phase == "ending":
                self.deadline = min(self.deadline, now + self.grace)
        elif self.told:
            self.reason = self.reason or "cancelled"

    # -- the life of the run

    def supervise(self) -> None:
        """Until the runner is reaped and nobody but watchdogs is left."""
        end = time.monotonic() + float(self.spec.get("timeout_s", 600.0))
        quiet = 0
        while True:
            hurry = self.phase != "running" or self.full_since is not None
            ready = self.selector.select(0.02 if hurry else 1.0)
            if not hurry and any(key.fd == self.events.fd for key, _ in ready):
                time.sleep(COALESCE_S)
            woken = self._serve([key.fd for key, _ in ready])
            self._reap()
            self._write()
            now = time.monotonic()
            self._look_for_request(now, woken)
            if now > end:
                self.reason = self.reason or "timed_out"
            self._advance(now)
            if self.phase == "ending":
                kill = now > self.deadline
                left = self._signal_all(signal.SIGKILL) if kill else proc.descendants(os.getpid())
                quiet = 0 if left or self.exit_status is None else quiet + 1
                if quiet >= 2:
                    return

    def _serve(self, ready: list[int]) -> bool:
        """Read what is ready; True when a signal woke us."""
        woken = False
        for fd in ready:
            if fd == self.wake:
                woken = True
                with suppress(BlockingIOError):
                    os.read(self.wake, 4096)
            elif fd == self.control.fileno():
                self._take_order()
            else:
                self._read(self.events if fd == self.events.fd else self.output)
        return woken

    def _advance(self, now: float) -> None:
        """The next rung: running, stopping (asked to), exiting (has said its last word), ending (TERM, then KILL)."""
        if self.phase == "ending":
            return
        if self.exit_status is not None:  # the runner is gone: nobody may stay behind
            self.leftover = len(self._signal_all(signal.SIGTERM))
            self.phase, self.deadline = "ending", now + min(self.grace, LEFTOVER_GRACE_S)
        elif self.phase == "stopping" and now > self.deadline and self.finished and not self.reason:
            self.phase, self.deadline = "exiting", now + self.grace
        elif self.reason or (self.phase in ("stopping", "exiting") and now > self.deadline):
            self.reason = self.reason or "did not stop"  # our own TERM must not read as "killed by signal 15"
            self.phase, self.deadline = "ending", now + self.grace
            self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: int) -> list[int]:
        left = proc.descendants(os.getpid())
        for pid in left:
            proc.kill(pid, number)
        return left

    def finish(self) -> None:
        """Write down how it ended. The writers are dead: what the pipes hold is all, no end is waited for."""
        point("shim:drain")
        for lines in (self.events, self.output):
            while self._read(lines):
                pass
        assert self.exit_status is not None
        if self.full_since is not None:
            self._free_reserve()
        self._write()
        if self.pending:  # read, but there was no room: the stage must not pass without them
            self.reason = self.reason or "disk full"
        if self.exit_status < 0 and not self.reason:
            self.reason = f"killed by signal {-self.exit_status}"
        if self.reason or not self.finished:
            self._free_reserve()
            self.dropped += len(self.pending)
            self.pending = []
            reason = self.reason or f"exit {self.exit_status} without a verdict"
            with suppress(DiskFull):  # exit.json, whose space is reserved, still tells
                self.journal.append([body("run.aborted", reason=reason, dropped=self.dropped)])
        self.journal.sync()
        point("shim:synced")
        document = {
            "rc": self.exit_status, "reason": self.reason, "seq": self.journal.seq, "bytes": self.journal.size,
            "torn": self.events.torn, "dropped": self.dropped, "leftover": self.leftover,
            "cpu_s": round(time.process_time(), 3), "at": time.time(),
        }  # fmt: skip
        write_json(self.folder / "exit.json", document)
        point("shim:exited")
        self._free_reserve()
        with suppress(FileNotFoundError):
            (self.folder / "control.sock").unlink()

    def _free_reserve(self) -> None:
        with suppress(FileNotFoundError):
            (self.folder / "reserve").unlink()


def main(arguments: list[str]) -> None:
    """`FOLDER LOCK_FD`."""
    shim = Shim(Path(arguments[0]), int(arguments[1]))
    shim.spawn()
    shim.supervise()
    shim.finish()
