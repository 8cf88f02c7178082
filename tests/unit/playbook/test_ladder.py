"""The cancel callback: SIGINT at the first request, the library's kill only after the grace."""

import uuid

from runners.playbook.ladder import Ladder


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ladder(wanted: list[int], clock: Clock) -> Ladder:
    return Ladder(uuid.uuid4().hex, lambda: wanted[0], grace_s=10, clock=clock)


def test_nothing_happens_unasked() -> None:
    asked = ladder([0], Clock())
    assert not asked.poll() and not asked.cancelled


def test_killing_is_allowed_only_after_the_grace() -> None:
    wanted, clock = [1], Clock()
    asked = ladder(wanted, clock)
    assert not asked.poll() and asked.cancelled
    clock.now = 9.9
    assert not asked.poll()
    clock.now = 10.1
    assert asked.poll()


def test_the_second_request_means_at_once() -> None:
    wanted, clock = [1], Clock()
    asked = ladder(wanted, clock)
    assert not asked.poll()
    wanted[0] = 2
    assert asked.poll()
