"""Ten defects, drawn by the commit's hash, are switched on one by one: the journeys must fail, and the right ones.

Which journeys ought to find a defect stands here and nowhere else: a journey knows no switch.
"""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

from observastack.defects import REGISTRY
from tests.drills.framework import Drill, Result, commit, finally_do
from tests.drills.testbed import Testbed

DRAWN = 10

FINDS: dict[str, tuple[str, ...]] = {}
"""Defect -> patterns of the journeys that its failure must stay within, the first of which must be among the failed."""


def keys(rounds: int) -> list[str]:
    """The draw of this commit; one sample more for each further round. At the end none: all must pass."""
    rng = random.Random(commit().rstrip("+"))
    drawn = rng.sample(sorted(FINDS), min(DRAWN * rounds, len(FINDS)))
    return [*(f"{name}/1" for name in drawn), "none/1"]


@contextmanager
def bench() -> Iterator[Journeys]:
    opened = Journeys(Testbed())
    with finally_do(opened.testbed.close):
        yield opened


class Journeys:
    """One environment, whose platform is restarted with other switches."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed

    def trial(self, key: str, _: random.Random) -> Result:
        defect, _, _ = key.partition("/")
        self.testbed.ready("--set", f"defects={'' if defect == 'none' else defect}")
        done = self.testbed.command("--json", "e2e", "run", "--kind", "api", timeout=300)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        failed = [
            event["id"]
            for event in events
            if event["type"] == "test.finished" and event["outcome"] in ("failed", "invalid")
        ]
        result = Result(figures={"exit": done.returncode, "failed": failed})
        if defect == "none":
            if failed or done.returncode:
                result.wrong.append(f"exit {done.returncode} without a defect: {failed or done.stderr[-300:]}")
            return result
        expected = FINDS[defect]
        if done.returncode != 1:
            result.wrong.append(f"exit {done.returncode}, not 1: '{REGISTRY[defect].what}' was not found")
        if not any(fnmatch.fnmatchcase(name, expected[0]) for name in failed):
            result.wrong.append(f"{expected[0]} did not fail")
        if strange := [name for name in failed if not any(fnmatch.fnmatchcase(name, one) for one in expected)]:
            result.wrong.append(f"failed too: {', '.join(strange)}")
        return result


DRILL = Drill("journeys", "ten defects drawn by the commit's hash are found by the right journeys", 1, keys, bench)
