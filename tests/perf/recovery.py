"""How fast a kill of the ingest service is felt and over, on a real environment."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.perf.harness import Absent, Round, case


def _testbed(home: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runners", "--home", home, *arguments], capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def _environment() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as home:
        try:
            up = _testbed(home, "up")
            if up.returncode:
                raise Absent(f"no environment: {up.stderr.strip().splitlines()[-1] if up.stderr else up.returncode}")
            yield home
        finally:
            _testbed(home, "down", "--force")


@functools.cache
def _figures(rounds: int) -> list[tuple[float, float]]:
    """(felt, recovered) in seconds of each kill, by the write probe."""
    found = []
    with _environment() as home:
        for _ in range(rounds):
            run = _testbed(home, "chaos", "run", "ingest-crash", "--json")
            events = [json.loads(line) for line in run.stdout.splitlines()]
            recovery = next((event for event in events if event["type"] == "recovery"), None)
            if recovery is None or recovery["time_to_detect_s"] is None:
                raise RuntimeError(f"no recovery was measured (exit {run.returncode}): {run.stderr[-300:]}")
            found.append((float(recovery["time_to_detect_s"]), float(recovery["time_to_recover_s"])))
    return found


@case("kill_to_detected", unit="s")
def kill_to_detected(quick: bool) -> Iterator[Round]:
    """From SIGKILL of ingest to the first write that failed."""
    for felt, _ in _figures(1 if quick else 7):
        yield Round(felt)


@case("kill_to_recovered", unit="s")
def kill_to_recovered(quick: bool) -> Iterator[Round]:
    """From SIGKILL of ingest to the first of three writes in a row that succeeded."""
    for _, recovered in _figures(1 if quick else 7):
        yield Round(recovered)
