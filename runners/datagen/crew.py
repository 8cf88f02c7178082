"""The other processes of a run in several shards: each is the suite itself, with a ledger inside the run's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from runners.events import read_events
from runners.ledger.items import Signal
from runners.lib import proc
from runners.lib.files import write_json
from runners.suite import Context
from runners.wire.delivery import Count

LEDGER, FOLDER, EVENTS = "shard-{index}", "shards", "events.jsonl"
_EXIT_PATIENCE_S = 15.0


class Crew:
    """Starts them at once. They die with this process, at the latest."""

    def __init__(self, context: Context, shards: int, ledger: Path, params: Mapping[str, Any]) -> None:
        """params: of the stage, so complete that nothing depends on when a process starts."""
        self._members: list[_Member] = []
        for index in range(1, shards):
            folder = context.artifacts / FOLDER / str(index)
            told = dict(params) | {"shard": [index, shards], "ledger": str(ledger / LEDGER.format(index=index))}
            self._members.append(_Member(context, folder, told))

    def take_counts(self) -> Counter[Count]:
        """Items since the last call, as `Delivery.take_counts` tells them, of all the others."""
        found: Counter[Count] = Counter()
        for member in self._members:
            found.update(member.take_counts())
        return found

    def end(self, context: Context) -> str:
        """Wait for all; a stop is passed on. Why one of them did not pass, or nothing."""
        give_up: float | None = None
        while any(member.process.poll() is None for member in self._members):
            if context.stop.wait(0.05):
                give_up = give_up or time.monotonic() + _EXIT_PATIENCE_S
                for member in self._members:
                    if member.process.poll() is None:
                        member.process.send_signal(signal.SIGTERM if time.monotonic() < give_up else signal.SIGKILL)
                time.sleep(0.05)
        return next((why for member in self._members if (why := member.complaint)), "")

    def cost(self) -> tuple[float, float]:
        """(processor time in s, memory in MB) of all the others, once they have ended."""
        told = [event for member in self._members for event in read_events(member.events) if event["type"] == "ledger"]
        return sum(event["cpu_s"] for event in told), sum(event["rss_mb"] for event in told)

    def close(self) -> None:
        """End what still runs."""
        for member in self._members:
            if member.process.poll() is None:
                member.process.kill()
            member.process.wait()


class _Member:
    def __init__(self, context: Context, folder: Path, params: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True)
        write_json(folder / "spec.json", context.spec | {"params": params})
        self.events, self._read = folder / EVENTS, 0
        with self.events.open("wb") as out, (folder / "stderr").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runners.datagen"], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=os.environ | {"TESTBED_RUN_DIR": str(folder), "TESTBED_EVENTS_FD": "1"},
            )  # fmt: skip

    def take_counts(self) -> Counter[Count]:
        with self.events.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        found: Counter[Count] = Counter()
        for line in whole.splitlines():
            event = json.loads(line)
            for one in event.get("many", ()) if event.get("type") == "metric.points" else ():
                what, _, labels = str(one["series"]).removeprefix("data.").partition("{signal=")
                if labels:
                    found[what, cast("Signal", labels.rstrip("}"))] += sum(one["v"])
        return found

    @property
    def complaint(self) -> str:
        """Why it did not pass; empty when it did."""
        if self.process.returncode == 0:
            return ""
        ends = [event for event in read_events(self.events) if event.get("type") == "run.finished"]
        return str(ends[-1].get("reason", "")) if ends else f"a shard ended with code {self.process.returncode}"


def die_with_parent() -> None:
    """For a process of the crew: what it would still send after the run's own process is gone, nobody accounts for."""
    parent = os.getppid()
    proc.prctl(proc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent or parent == 1:
        os.kill(os.getpid(), signal.SIGKILL)
