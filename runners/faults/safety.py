"""The rules that stand before every injection. All are on by default; an experiment can only tighten them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runners.faults import journal, lever
from runners.faults.kinds import Refused, catalogue
from runners.faults.record import FaultRecord
from runners.faults.services import Service, Stack
from runners.lib import locks
from runners.lib.errors import Leased, NotReady
from runners.lib.home import Environment

DEFAULT_TTL_S = 60.0
MAX_TTL_S = 600.0
MAX_FAULTS = 2
MARGIN_S = 2.0  # who holds a fault reverts it so long before the deadline, at which the watchdog takes over


@dataclass(frozen=True)
class Limits:
    """The blast radius. max_faults, max_targets: open at once; deny: services that are never touched."""

    max_faults: int = MAX_FAULTS
    max_targets: int = MAX_FAULTS
    deny: tuple[str, ...] = ()


def capability(fault: str, service: Service, deny: Collection[str] = ()) -> str | None:
    """Why this kind is not possible on this service; None when it is. Looks at labels only."""
    if fault not in catalogue():
        return f"there is no fault '{fault}'"
    if service.name in deny:
        return f"{service.name} is on the deny list"
    if not service.allowed:
        return f"{service.name} has not opted in (chaos.allowed in its entry of the service catalogue)"
    if service.faults and fault not in service.faults:
        return f"{service.name} permits only {', '.join(service.faults)}"
    return None


def check_ttl(ttl_s: float) -> float:
    """Raises Refused outside 0 < ttl ≤ MAX_TTL_S."""
    if not 0 < ttl_s <= MAX_TTL_S:
        raise Refused(f"a time to live of {ttl_s:g} s is outside 0..{MAX_TTL_S:g} s")
    return ttl_s


def check(stack: Stack, run: str, fault: str, service: Service, limits: Limits) -> None:
    """All rules that state decides. Raises Refused with the first one that is broken."""
    if (down := lever.halted(stack.environment)) is not None:
        raise Refused(
            f"chaos is halted by {down.get('by')}: {down.get('reason')} (lift it with 'testbed chaos resume')"
        )
    if why := capability(fault, service, limits.deny):
        raise Refused(why)
    check_open(journal.open_entries(stack.environment.journal), run, service.name, limits)
    if not journal.watched(stack.environment.journal, run):
        raise Refused("the watchdog of this run does not live")


def check_open(open_faults: list[FaultRecord], run: str, target: str, limits: Limits) -> None:
    """Rules about faults that are open already. Raises Refused."""
    for record in open_faults:
        if record.state == "FAILED":
            raise Refused(
                f"fault {record.fault} on {record.target} could not be reverted ({record.reason}); "
                "repair it, then run 'testbed chaos revert --all'"
            )
        if record.run != run:
            raise Refused(f"fault {record.fault} on {record.target} of run {record.run} is still open")
        if record.target == target:
            raise Refused(f"{target} carries a fault already")
    if len(open_faults) >= min(limits.max_faults, MAX_FAULTS):
        raise Refused(f"{len(open_faults)} faults are open; the blast radius permits no more")
    if len({record.target for record in open_faults} | {target}) > limits.max_targets:
        raise Refused(f"the blast radius permits {limits.max_targets} targets at once")


@contextmanager
def exclusive(environment: Environment) -> Iterator[None]:
    """Hold the chaos lock of the environment: one chaos run at a time. Raises Leased."""
    environment.chaos.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = locks.open_lock(environment.chaos / "lock")
    try:
        if not locks.try_lock(fd):
            raise Leased(
                f"another chaos run drives environment '{environment.name}'",
                remedy="wait for it, or cancel it with 'testbed cancel'",
            )
        yield
    finally:
        os.close(fd)


def refuse_while_failed(environment: Environment) -> None:
    """Raises NotReady when a revert has failed, or a record tells nothing: the target is in an unknown state."""
    for damaged in journal.unreadable(environment.journal):
        raise NotReady(
            f"{damaged} cannot be read, so the fault that it recorded may still be in force",
            remedy="see that every service runs as it should (testbed status), then remove this file",
        )
    for record in journal.open_entries(environment.journal):
        if record.state == "FAILED":
            raise NotReady(
                f"fault {record.fault} on {record.target} could not be reverted: {record.reason}",
                remedy="repair the service, then run 'testbed chaos revert --all'",
            )
