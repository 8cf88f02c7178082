"""Which instances there are, and when: a deploy replaces those of a service, one after the other; silence hides them.

An instance is known by its ordinal in the fleet. The first ones are those that a run begins with, `instances` of each service
in its order; those that a deploy starts follow. A tick belongs to one instance of each slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from runners.datagen.anomaly import NEUTRAL, Anomaly, Effects
from runners.datagen.model.shapes import SERVICE_INDEX
from runners.datagen.model.tables import Integers
from runners.datagen.shop import SERVICES

_NEVER = 1 << 62
_ROLLOUT = 4  # a deploy takes this part of its time to reach the last instance


class Member(NamedTuple):
    """slot: which instance of the service it is; generation: deploys before it; born, dies: ticks, the last not included;
    slow: of the deploy that started it, thousandths of its own time until the tick `healed`."""

    service: int
    slot: int
    generation: int = 0
    born: int = 0
    dies: int = _NEVER
    slow: int = NEUTRAL
    healed: int = 0


@dataclass(frozen=True)
class Roster:
    """Of one tenant. instances: of each service at any moment."""

    members: tuple[Member, ...]
    instances: int
    effects: Effects

    @property
    def steady(self) -> bool:
        """Are the instances of the beginning there, and telling, all the time?"""
        return len(self.members) == len(SERVICES) * self.instances and not self.effects.may_be_silent

    def alive(self, ordinal: int, tick: int) -> bool:
        """Does this instance tell anything of this tick?"""
        member = self.members[ordinal]
        return member.born <= tick < member.dies and not self.silent(member.service, tick)

    def silent(self, service: int, tick: int) -> bool:
        """Is nothing heard of the service in this tick?"""
        return self.effects.may_be_silent and self.effects.silent(SERVICES[service].name, tick)

    def mute(self, tick: int) -> Integers | None:
        """By service: 1 where it is silent; None when none is."""
        if not self.effects.may_be_silent:
            return None
        found = np.array([self.silent(service, tick) for service in range(len(SERVICES))], np.int64)
        return found if found.any() else None

    def current(self, tick: int) -> Integers:
        """(services · instances,) the ordinal of the instance in each slot."""
        found = np.arange(len(SERVICES) * self.instances)
        for ordinal, member in enumerate(self.members[len(found) :], len(found)):
            if member.born <= tick < member.dies:
                found[member.service * self.instances + member.slot] = ordinal
        return found

    def slower(self, tick: int) -> Integers | None:
        """By ordinal, thousandths of the own time of what it does; None when all are as ever."""
        found = [member.slow if tick < member.healed else NEUTRAL for member in self.members]
        return np.array(found, np.int64) if any(each != NEUTRAL for each in found) else None


def roster(effects: Effects, instances: int) -> Roster:
    """From what anomalies do to the tenant."""
    return _roster(effects, instances) if effects.deploys else Roster(_first(instances), instances, effects)


@lru_cache(maxsize=16)
def _first(instances: int) -> tuple[Member, ...]:
    return tuple(Member(service, slot) for service in range(len(SERVICES)) for slot in range(instances))


def _roster(effects: Effects, instances: int) -> Roster:
    lines: dict[tuple[int, int], list[Member]] = {}
    for member in _first(instances):
        lines[member.service, member.slot] = [member]
    for deploy in effects.deploys:
        service = SERVICE_INDEX[deploy.service]
        for slot in range(instances):
            line = lines[service, slot]
            line.append(_started(deploy, line[-1], instances, effects.tick_ns))
    every = [
        [a._replace(dies=b.born) for a, b in pairwise(line)] + [line[-1]] for line in lines.values()
    ]  # by slot, the first of each being those of the beginning
    later = sorted(
        (member for line in every for member in line[1:]), key=lambda each: (each.generation, each.service, each.slot)
    )
    return Roster((*(line[0] for line in every), *later), instances, effects)


def _started(deploy: Anomaly, before: Member, instances: int, tick_ns: int) -> Member:
    """What takes the place of an instance. It lives from a whole tick on, later than what it replaces."""
    at_ns = deploy.start_ns + deploy.lasts_ns * before.slot // (_ROLLOUT * instances)
    born = max(before.born + 1, -(-at_ns // tick_ns))
    slow = deploy.magnitude or NEUTRAL
    return Member(before.service, before.slot, before.generation + 1, born, _NEVER, slow, -(-deploy.end_ns // tick_ns))
