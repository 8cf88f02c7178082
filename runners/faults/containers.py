"""The kinds of fault as they are done to containers, through the engine: the same names and promises as for processes.

What the engine did not do by itself it does not undo: a container that was killed through it stays exited whatever its
restart policy says, so a crash is a kill and a start, and the inverse of all but a pause is a start.

What the engine was asked for it carries out, though who asked is dead, and nothing shows that it is about to: a container
that is being stopped runs and is healthy until it ends. So an order is journalled before it is given, and whoever undoes one
that was not seen to land waits for it first.
"""

from __future__ import annotations

from collections.abc import Callable

from runners.faults import health
from runners.faults.engine import NOT_FOUND, Engine, EngineError, Found
from runners.faults.fault import Ineffective, Refused, until
from runners.faults.record import NOBODY, Access, Container, FaultRecord, Guards, Operation
from runners.faults.services import Service, Stack
from runners.lib import proc

STOP_S = 10.0
_CALL_S = 30.0  # an orderly stop takes its time, and the engine answers when it is over
# How long an order takes at most: the engine's own work (a kill took it a second, measured), and the patience of a stop.
AT_ONCE_S, ORDERLY_S = 3.0, STOP_S + 5.0
Save = Callable[[FaultRecord], FaultRecord]


def guards(stack: Stack, service: Service) -> Guards:
    """The container of now. Raises Refused when it is not this environment's, or not in a state to be broken."""
    engine = Engine(stack.url)
    try:
        container = engine.find(stack.env_id, service.program)
        if container is None:
            raise Refused(f"the engine has no container of {service.name} in environment '{stack.environment.name}'")
        found = engine.inspect(container)
    except EngineError as error:
        raise Refused(str(error)) from None
    if found.status == "paused":
        raise Refused(f"the container of {service.name} is paused already: afterwards nobody could tell by whom")
    if found.status != "running":
        raise Refused(f"{service.name} is {found.status}: only a running service can be broken on purpose")
    return Guards(proc.boot_id(), stack.env_id, NOBODY, NOBODY, (), Container(found.id, found.started_at))


def _engine(access: Access) -> Engine:
    return Engine(access.url, timeout_s=_CALL_S)


def _id(record: FaultRecord) -> str:
    assert record.guards.container is not None
    return record.guards.container.id


def _now(record: FaultRecord) -> Found:
    return _engine(record.access).inspect(_id(record))


def _restarted(record: FaultRecord, found: Found) -> bool:
    assert record.guards.container is not None
    return found.started_at != record.guards.container.started_at


def _order(record: FaultRecord, save: Save, what: str, landing_s: float, **query: object) -> FaultRecord:
    record = save(record.with_(landing_s=landing_s))
    _engine(record.access).do(_id(record), what, **query)
    return save(record.with_(landing_s=0.0))  # it answers when it is done


class _OnContainer:
    def landed(self, record: FaultRecord) -> bool:
        found = _now(record)
        return found.status != "running" or _restarted(record, found)

    def prove(self, record: FaultRecord) -> None:
        """Who may look at this container may start and unpause it: the engine's socket knows no lesser right."""
        try:
            found = _now(record)
        except EngineError as error:
            raise Refused(str(error)) from None
        if found.env_id != record.guards.env_id:
            raise Refused(
                f"the container of {record.target} does not carry the id of environment '{record.environment}'"
            )

    def gone(self, record: FaultRecord) -> str | None:
        """A reboot changes nothing: what was stopped stays stopped."""
        try:
            _now(record)
        except EngineError as error:
            return "the container of then is gone" if error.code == NOT_FOUND else None
        return None


class _Lifecycle(_OnContainer):
    revert_operations: tuple[Operation, ...] = (Operation("engine", "start"),)

    def revert(self, record: FaultRecord) -> None:
        if not _now(record).running:
            _engine(record.access).do(_id(record), "start")

    def verify(self, record: FaultRecord) -> bool:
        """It runs and answers; where nothing of it can be asked from here, the engine's health check has passed."""
        try:
            found = _now(record)
        except EngineError:
            return False
        if found.status != "running":
            return False
        check = record.access.health
        return health.check(check).answered if check.get("type") not in (None, "container") else found.serving


class Kill(_Lifecycle):
    """A crash: SIGKILL, then a start at once, which a supervisor would have done."""

    name = "kill"
    summary = "SIGKILL the container's main process and start the container again"
    heals = True
    inject_operations: tuple[Operation, ...] = (Operation("engine", "kill"), Operation("engine", "start"))

    def inject(self, record: FaultRecord, save: Save) -> FaultRecord:
        record = _order(record, save, "kill", AT_ONCE_S, signal="KILL")
        until(lambda: not _now(record).running, 2.0)
        _engine(record.access).do(_id(record), "start")
        return record

    def effect(self, record: FaultRecord) -> str:
        found = _now(record)
        if found.running and not _restarted(record, found):
            raise Ineffective(f"the container of {record.target} survived SIGKILL")
        return f"container {found.id[:12]} was killed at {found.finished_at[:23]}Z and is started again"


class Stop(_Lifecycle):
    """An outage: the engine stops the container and leaves it stopped."""

    name = "stop"
    summary = "stop the container and leave it stopped until reverted"
    heals = False
    inject_operations: tuple[Operation, ...] = (Operation("engine", "stop"),)

    def inject(self, record: FaultRecord, save: Save) -> FaultRecord:
        return _order(record, save, "stop", ORDERLY_S, t=int(STOP_S))

    def effect(self, record: FaultRecord) -> str:
        found = _now(record)
        if found.running:
            raise Ineffective(f"the container of {record.target} still runs although the engine was told to stop it")
        return f"container {found.id[:12]} {found.status} with code {found.exit_code}"


class Restart(_Lifecycle):
    """A deployment: an orderly stop and start at once."""

    name = "restart"
    summary = "stop and start the container in good order"
    heals = True
    inject_operations: tuple[Operation, ...] = (Operation("engine", "restart"),)

    def inject(self, record: FaultRecord, save: Save) -> FaultRecord:
        return _order(record, save, "restart", ORDERLY_S, t=int(STOP_S))

    def effect(self, record: FaultRecord) -> str:
        found = _now(record)
        if not _restarted(record, found):
            raise Ineffective(f"the container of {record.target} was not restarted")
        return f"container {found.id[:12]} ended and started again at {found.started_at[:23]}Z"


class Pause(_OnContainer):
    """A hang: every process of the container is frozen; sockets stay open and nobody answers."""

    name = "pause"
    summary = "freeze every process of the container, thaw them on revert"
    heals = False
    inject_operations: tuple[Operation, ...] = (Operation("engine", "pause"),)
    revert_operations: tuple[Operation, ...] = (Operation("engine", "unpause"), Operation("engine", "start"))

    def inject(self, record: FaultRecord, save: Save) -> FaultRecord:
        return _order(record, save, "pause", AT_ONCE_S)

    def effect(self, record: FaultRecord) -> str:
        found = _now(record)
        if found.status != "paused":
            raise Ineffective(f"the container of {record.target} is {found.status} and not paused")
        return f"container {found.id[:12]} is paused"

    def revert(self, record: FaultRecord) -> None:
        """An engine that died meanwhile starts again what ran, and leaves dead what was paused."""
        found = _now(record)
        if found.status == "paused":
            _engine(record.access).do(_id(record), "unpause")
        elif not found.running:
            _engine(record.access).do(_id(record), "start")

    def verify(self, record: FaultRecord) -> bool:
        try:
            return _now(record).status == "running"
        except EngineError:
            return False


KINDS = (Kill(), Stop(), Pause(), Restart())
