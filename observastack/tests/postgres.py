"""A PostgreSQL of one test, that can be stopped hard, started again and paused."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from observastack.tests.gateway import wait_for
from tests.servers import postgres_server


class Postgres:
    """Wraps a server that `postgres_server` started: after `crash` it is started from the same command line."""

    def __init__(self, url: str) -> None:
        self.url = url
        setting = f"port={urlsplit(url).port}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
                if setting in command and command[0].endswith(b"postgres"):
                    self.pid, self._command = int(folder.name), command
                    self._user, self._folder = folder.stat().st_uid, (folder / "cwd").readlink()
                    break
        else:
            raise LookupError(f"no postgres process has {setting.decode()}")
        self._restarted: subprocess.Popen[bytes] | None = None

    def crash(self) -> None:
        """Immediate shutdown: no checkpoint, sessions are cut, the next start recovers from the log."""
        os.kill(self.pid, signal.SIGQUIT)
        wait_for(lambda: not self._runs(), "PostgreSQL has ended")

    def start(self) -> None:
        user = self._user if os.geteuid() == 0 else None
        self._restarted = subprocess.Popen(
            self._command, user=user, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.pid = self._restarted.pid

    def wait(self) -> None:
        wait_for(self._answers, "PostgreSQL answers", 60)

    def pause(self) -> None:
        for pid in self._tree():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self._tree():
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End what `start` started."""
        if self._restarted is not None and self._restarted.poll() is None:
            self._restarted.send_signal(signal.SIGQUIT)
            self._restarted.wait(20)

    def _tree(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *(int(child) for child in children)]

    def _runs(self) -> bool:
        if self._restarted is not None:
            return self._restarted.poll() is None
        # Its parent is this process, which reaps it when the server's context ends: a zombie has ended.
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        return False

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
        return False


@contextlib.contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Raises FileNotFoundError when this machine has none."""
    with postgres_server() as url:
        server = Postgres(url)
        try:
            yield server
        finally:
            server.stop()
