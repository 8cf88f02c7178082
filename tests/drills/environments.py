"""Environments as they promise to be: repeatable, gone without a trace, cancelled at once, broken with a cause, discreet.

Slow (an hour and a half on two cores); `--rounds` is the number of trials of each killed or spoiled case, and as many as
there are task boundaries means every one of them. The container engine is killed only where `DRILL_ENGINE_START` is the command
that brings it back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.drills.environment import cancelled, causes, containers, killed, obstacles, repeated, secrecy
from tests.drills.environment.moments import Share
from tests.drills.framework import Drill, Result, finally_do

CASES: dict[str, Callable[[Share, random.Random], Result]] = {
    **repeated.CASES, **killed.CASES, **cancelled.CASES, **causes.CASES, **secrecy.CASES, **obstacles.CASES, **containers.CASES,
}  # fmt: skip


def keys(rounds: int) -> list[str]:
    """`case/number of trials`: what is killed is tried so often, cancels twenty times, halves twice, all else once."""
    many = dict.fromkeys((*killed.CASES, "compose killed", "compose engine killed"), rounds)
    many |= dict.fromkeys(obstacles.TWICE, 2) | dict.fromkeys(cancelled.CASES, cancelled.TRIALS)
    found = []
    for case in CASES:
        trials = many.get(case, 1)
        found += [f"{case}/{number} of {trials}" for number in range(1, trials + 1)]
    return found


class Environments:
    """Each trial has a home of its own."""

    def trial(self, key: str, rng: random.Random) -> Result:
        case, _, share = key.rpartition("/")
        number, _, of = share.partition(" of ")
        return CASES[case](Share(int(number), int(of)), rng)


@contextmanager
def bench() -> Iterator[Environments]:
    with finally_do(obstacles.forget_tools):
        yield Environments()


DRILL = Drill(
    "environments", "provisioning repeated, killed, cancelled, broken, obstructed; secrets looked for", 5, keys, bench
)
