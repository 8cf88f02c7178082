"""Time to detect and time to recover, computed from a series of attempts. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runners.probes.attempt import Attempt

STABLE = 3
PROMPT_S = 0.15


@dataclass(frozen=True)
class Recovery:
    """What the probe saw of a fault. All times are Unix seconds; None where it did not happen.

    symptom_at: start of the first attempt that started after the injection and failed. detected_at: when that attempt
    was known to have failed (a refused connection: at once; a hang: after the probe's timeout). recovered_at: start of
    the first of `stable` successes in a row after the symptom, or its end when it took longer than PROMPT_S: a service
    may take connections long before it works on them, and such an attempt has waited for it. answered_at: always its
    end. relapses: failures after that. served: successes after the injection; without a symptom they alone prove service.
    """

    injected_at: float
    symptom_at: float | None
    detected_at: float | None
    recovered_at: float | None
    failed: int
    relapses: int
    answered_at: float | None = None
    served: int = 0

    @property
    def symptom(self) -> bool:
        """Did the users notice anything?"""
        return self.symptom_at is not None

    @property
    def time_to_detect_s(self) -> float | None:
        return None if self.detected_at is None else self.detected_at - self.injected_at

    @property
    def time_to_recover_s(self) -> float | None:
        """From the injection on: how long the users were without service or in doubt of it."""
        return None if self.recovered_at is None else self.recovered_at - self.injected_at


def assess(
    attempts: Sequence[Attempt],
    injected_at: float,
    *,
    not_before: float | None = None,
    until: float | None = None,
    stable: int = STABLE,
) -> Recovery:
    """What attempts (in order of their start) say about a fault injected at `injected_at`.

    not_before: no recovery before this moment: while a held fault is in force, an attempt can be answered only because
    its end falls after the revert. until: failures that start later have another cause.
    """
    after = [a for a in attempts if a.started >= injected_at and (until is None or a.started <= until)]
    first = next((number for number, attempt in enumerate(after) if attempt.outcome == "failed"), None)
    served = sum(attempt.outcome == "ok" for attempt in after)
    if first is None:
        return Recovery(injected_at, None, None, None, 0, 0, served=served)
    failed = sum(attempt.outcome == "failed" for attempt in after)
    earliest = injected_at if not_before is None else not_before
    in_a_row = 0
    for number in range(first + 1, len(after)):
        attempt = after[number]
        in_a_row = in_a_row + 1 if attempt.outcome == "ok" and attempt.started >= earliest else 0
        if in_a_row == stable:
            relapses = sum(later.outcome == "failed" for later in after[number + 1 :])
            back = after[number - stable + 1]
            return Recovery(
                injected_at,
                after[first].started,
                after[first].ended,
                _served_at(back),
                failed,
                relapses,
                back.ended,
                served,
            )
    return Recovery(injected_at, after[first].started, after[first].ended, None, failed, 0, served=served)


def _served_at(success: Attempt) -> float:
    return success.started if success.latency_s <= PROMPT_S else success.ended


def steady(attempts: Sequence[Attempt], wanted: int, *, since: float = -math.inf) -> bool:
    """Were the last `wanted` attempts all successes, and did the last one start after `since` (Unix seconds)?"""
    last = attempts[-wanted:]
    return len(last) == wanted and last[-1].started > since and all(attempt.outcome == "ok" for attempt in last)
