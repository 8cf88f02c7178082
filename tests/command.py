"""The `testbed` command as tests call it: a process of its own, exit code checked, JSON read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class Testbed:
    __test__ = False

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "runners", "--home", str(self.home), *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == code, (
            f"{arguments}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one document that a query prints."""
        lines = self.run(*arguments, "--json", code=code).stdout.splitlines()
        assert len(lines) == 1, lines[:3]
        return json.loads(lines[0])

    def events(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json", code=code).stdout.splitlines()]
