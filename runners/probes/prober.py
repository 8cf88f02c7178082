"""Sends a request every 50 ms whatever became of the earlier ones, and keeps what came back.

Each attempt has its own connection: a kept-alive one would show an outage late and a recovery early. One thread with
an event loop; nothing in it waits for a token, a disk or another attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Sequence

from runners.probes.attempt import Attempt, Outcome
from runners.probes.requests import Request

CADENCE_S = 0.05
TIMEOUT_S = 1.0
MAX_OPEN = 64
_KEEP_FRESH_S = 1.0
_MAX_ANSWER = 64 * 1024


class Prober:
    """start, read `attempts()` or `drain()` from any thread, stop."""

    def __init__(self, request: Request, *, cadence_s: float = CADENCE_S, timeout_s: float = TIMEOUT_S) -> None:
        self.request = request
        self._cadence, self._timeout = cadence_s, timeout_s
        self._lock = threading.Lock()
        self._done: list[Attempt] = []
        self._open: set[float] = set()
        self._drained = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._tls = ssl.create_default_context() if request.address.tls else None

    def start(self) -> None:
        """Prepare the request (raises what that raises), then begin."""
        self.request.prepare()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="probe", daemon=True)
        self._thread.start()
        threading.Thread(target=self._keep_fresh, name="probe-token", daemon=True).start()

    def stop(self) -> None:
        """No more attempts; waits for those under way (at most their timeout)."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._timeout + 2)

    def attempts(self) -> Sequence[Attempt]:
        """All attempts in order of their start, up to the first that is still under way."""
        with self._lock:
            limit = min(self._open, default=None)
            known = [attempt for attempt in self._done if limit is None or attempt.started < limit]
        return sorted(known, key=lambda attempt: attempt.started)

    def drain(self) -> list[Attempt]:
        """Those that have ended since the last call."""
        with self._lock:
            fresh, self._drained = self._done[self._drained :], len(self._done)
        return fresh

    def _keep_fresh(self) -> None:
        while not self._stop.wait(_KEEP_FRESH_S):
            with contextlib.suppress(Exception):  # the old token goes on; what it meets is what the probe reports
                self.request.prepare()

    async def _run(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        number, due = 0, time.monotonic()
        while not self._stop.is_set():
            if len(tasks) < MAX_OPEN:
                task = asyncio.create_task(self._attempt(number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            number += 1
            due += self._cadence
            late = time.monotonic() - due
            if late > 0:  # no burst afterwards: what was not asked cannot be asked in hindsight
                due += late
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if tasks:
            await asyncio.wait(tasks, timeout=self._timeout + 1)

    async def _attempt(self, number: int) -> None:
        started = time.time()
        with self._lock:
            self._open.add(started)
        outcome: Outcome = "failed"
        detail = ""
        try:
            async with asyncio.timeout(self._timeout):
                outcome, detail = await self._exchange(number)
        except TimeoutError:
            detail = f"no answer within {self._timeout:g} s"
        except (OSError, ValueError) as error:
            detail = str(error) or type(error).__name__
        finally:
            with self._lock:
                self._open.discard(started)
                self._done.append(Attempt(started, time.time(), outcome, detail))

    async def _exchange(self, number: int) -> tuple[Outcome, str]:
        address = self.request.address
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=self._tls, limit=_MAX_ANSWER)
        try:
            writer.write(self.request.encode(number))
            line = await reader.readline()
            if not line:
                raise ConnectionResetError("connection closed without an answer")
            status = int(line.split(b" ", 2)[1])
            answer = await reader.read(_MAX_ANSWER)
            while chunk := await reader.read(_MAX_ANSWER):
                answer = (answer + chunk)[:_MAX_ANSWER]
            return self.request.judge(status, answer.partition(b"\r\n\r\n")[2])
        except IndexError:
            raise ValueError("no HTTP answer") from None
        finally:
            writer.transport.abort()  # nothing is left to be sent, and a close would wait for the other side
