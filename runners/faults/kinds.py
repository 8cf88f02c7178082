"""The kinds of process fault: how each goes in, how one knows that it is in, how it goes out, how one knows that.

Those of containers, which have the same names, are in `containers`.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterable

from runners.faults import containers, health, tree
from runners.faults.fault import Fault, Ineffective, Refused, until
from runners.faults.record import Access, FaultRecord, Guards, Identity, Operation
from runners.faults.services import Service, Stack
from runners.faults.supervisor import BAD_NAME, LIVING, Supervisor, SupervisorError
from runners.lib import proc

__all__ = [
    "Fault", "Ineffective", "Refused", "catalogue", "connect", "guards", "kind_of", "kinds_of", "serving",
]  # fmt: skip

SETTLED = ("STOPPED", "EXITED", "FATAL")


def connect(access: Access) -> Supervisor:
    return Supervisor(access.url, access.username, access.password_file)


def guards(stack: Stack, service: Service) -> Guards:
    """The identities of now. Raises Refused when they do not prove that the target belongs to this environment."""
    if stack.kind == "compose":
        return containers.guards(stack, service)
    supervisor = stack.supervisor()
    try:
        daemon, program = tree.identify(supervisor.pid()), supervisor.program(service.program)
    except SupervisorError as error:
        raise Refused(str(error)) from None
    if daemon is None or f"TESTBED_ENV_ID={stack.env_id}".encode() not in proc.environ(daemon.pid):
        raise Refused(f"the supervisor does not carry the id of environment '{stack.environment.name}'")
    main = tree.identify(program.pid) if program.state == "RUNNING" else None
    if main is None:
        raise Refused(f"{service.name} is {program.state}: only a running service can be broken on purpose")
    if (found := proc.stat(main.pid)) is None or found.parent != daemon.pid:
        raise Refused(f"process {main.pid} of {service.name} is not a child of this environment's supervisor")
    processes = tuple(tree.members(main))
    if held := tree.stopped(processes):
        raise Refused(
            f"process {held[0].pid} of {service.name} is stopped already: afterwards nobody could tell by whom"
        )
    if not all(tree.may_signal(process) for process in (daemon, *processes)):
        raise Refused(f"no right to signal {service.name}: its inverse could not be applied")
    return Guards(proc.boot_id(), stack.env_id, daemon, main, processes)


def _other_boot_or_supervisor(record: FaultRecord) -> str | None:
    if record.guards.boot_id != proc.boot_id():
        return "the machine was booted since"
    if not tree.alive(record.guards.supervisor):
        return "the supervisor of then is gone, and its services with it"
    return None


def _died(record: FaultRecord, *, but: str) -> Identity:
    """The main process that is gone since; the fault was Ineffective when it still lives after 2 s. but: why that is wrong."""
    main = record.guards.main
    if not until(lambda: not tree.alive(main), 2.0):
        raise Ineffective(f"process {main.pid} {but}")
    return main


def _stopped_or_gone(process: Identity) -> Callable[[], bool]:
    return lambda: tree.state(process) in ("T", None)


class _OnProcesses:
    def landed(self, record: FaultRecord) -> bool:  # noqa: ARG002
        """A signal is there when it is sent; that supervisord still stops a program can be seen."""
        return True


class _Lifecycle(_OnProcesses):
    """What kill, stop and restart share: undone means that the supervisor runs the program and that it answers."""

    revert_operations: tuple[Operation, ...] = (Operation("supervisor", "start"),)

    def prove(self, record: FaultRecord) -> None:
        try:
            command = connect(record.access).command(record.access.program)
        except SupervisorError as error:
            raise Refused(str(error)) from None
        if command is None or shutil.which(command) is None:
            raise Refused(f"the supervisor could not start {record.target} again: {command} is no executable")

    def revert(self, record: FaultRecord) -> None:
        supervisor = connect(record.access)
        if supervisor.program(record.access.program).state in SETTLED:
            supervisor.start(record.access.program)

    def verify(self, record: FaultRecord) -> bool:
        return serving(record.access) is not None

    def gone(self, record: FaultRecord) -> str | None:
        if why := _other_boot_or_supervisor(record):
            return why
        try:
            connect(record.access).program(record.access.program)
        except SupervisorError as error:
            return "the supervisor no longer knows the program" if error.code == BAD_NAME else None
        return None


def serving(access: Access) -> Identity | None:
    """The main process of the program, if it lives under its supervisor and answers its health check."""
    try:
        program = connect(access).program(access.program)
    except SupervisorError:
        return None
    if program.state not in LIVING or not program.pid:
        return None
    main = tree.identify(program.pid)
    if main is None or tree.state(main) == "T":
        return None
    if not access.health:
        return main if program.state == "RUNNING" else None
    return main if health.check(access.health).answered and tree.alive(main) else None


class Kill(_Lifecycle):
    """A crash: SIGKILL of the main process; the supervisor starts it again."""

    name = "kill"
    summary = "SIGKILL the main process; its supervisor starts it again"
    heals = True
    inject_operations: tuple[Operation, ...] = (Operation("signal", "SIGKILL"),)

    def inject(self, record: FaultRecord, save: Callable[[FaultRecord], FaultRecord]) -> FaultRecord:  # noqa: ARG002
        tree.send(record.guards.main, signal.SIGKILL)
        return record

    def effect(self, record: FaultRecord) -> str:
        main = _died(record, but="survived SIGKILL for 2 s")
        return f"process {main.pid} is dead"


class Stop(_Lifecycle):
    """An outage: the supervisor stops the program and leaves it stopped."""

    name = "stop"
    summary = "stop the service and leave it stopped until reverted"
    heals = False
    inject_operations: tuple[Operation, ...] = (Operation("supervisor", "stop"),)

    def inject(self, record: FaultRecord, save: Callable[[FaultRecord], FaultRecord]) -> FaultRecord:  # noqa: ARG002
        connect(record.access).stop(record.access.program)
        return record

    def effect(self, record: FaultRecord) -> str:
        main = _died(record, but="still runs although the supervisor was told to stop it")
        state = connect(record.access).program(record.access.program).state
        if state not in SETTLED:
            raise Ineffective(f"the supervisor says {state} after a stop")
        return f"process {main.pid} ended, the supervisor says {state}"


class Restart(_Lifecycle):
    """A deployment: an orderly stop and start at once."""

    name = "restart"
    summary = "stop and start the service in good order"
    heals = True
    inject_operations: tuple[Operation, ...] = (Operation("supervisor", "stop"), Operation("supervisor", "start"))

    def inject(self, record: FaultRecord, save: Callable[[FaultRecord], FaultRecord]) -> FaultRecord:  # noqa: ARG002
        supervisor = connect(record.access)
        supervisor.stop(record.access.program)
        supervisor.start(record.access.program)
        return record

    def effect(self, record: FaultRecord) -> str:
        main = _died(record, but="was not replaced")
        return f"process {main.pid} ended"


class Pause(_OnProcesses):
    """A hang: SIGSTOP of the whole process tree; sockets stay open and nobody answers."""

    name = "pause"
    summary = "SIGSTOP every process of the service, SIGCONT on revert"
    heals = False
    inject_operations: tuple[Operation, ...] = (Operation("signal", "SIGSTOP", "tree"),)
    revert_operations: tuple[Operation, ...] = (Operation("signal", "SIGCONT", "tree"),)

    def prove(self, record: FaultRecord) -> None:
        """The right to signal each process, checked with its identity, is the right to continue it."""
        if not all(tree.may_signal(process) for process in record.guards.processes):
            raise Refused(f"no right to signal every process of {record.target}")

    def inject(self, record: FaultRecord, save: Callable[[FaultRecord], FaultRecord]) -> FaultRecord:
        """Parents first, so that no stopped process can fork; a child born meanwhile is journalled before its signal."""
        for _ in range(50):
            now = tree.members(record.guards.main)
            if new := [process for process in now if process not in record.guards.processes]:
                known = Guards(**{**vars(record.guards), "processes": (*record.guards.processes, *new)})
                record = save(record.with_(guards=known))
            running = [process for process in now if tree.state(process) != "T"]
            if not running:
                return record
            for process in running:
                tree.send(process, signal.SIGSTOP)
                until(_stopped_or_gone(process), 0.1)
        return record

    def effect(self, record: FaultRecord) -> str:
        now = tree.members(record.guards.main)
        running = [process.pid for process in now if tree.state(process) != "T"]
        if not now or running:
            raise Ineffective(f"processes {running} still run" if now else "the process ended instead of stopping")
        return f"{len(now)} of {len(now)} processes stopped"

    def revert(self, record: FaultRecord) -> None:
        for process in self._present(record):
            if tree.state(process) == "T":
                tree.send(process, signal.SIGCONT)

    def verify(self, record: FaultRecord) -> bool:
        return not tree.stopped(self._present(record))

    def gone(self, record: FaultRecord) -> str | None:
        if record.guards.boot_id != proc.boot_id():
            return "the machine was booted since"
        return None if self._present(record) else "none of the processes of then lives"

    def _present(self, record: FaultRecord) -> list[Identity]:
        listed = [process for process in record.guards.processes if tree.alive(process)]
        return list(dict.fromkeys([*listed, *tree.members(record.guards.main)]))


def catalogue() -> dict[str, Fault]:
    """All kinds by name, as they are done to processes."""
    return _named((Kill(), Stop(), Pause(), Restart()))


def kinds_of(stack: Stack) -> dict[str, Fault]:
    """All kinds by name, as they are done to the services of this environment."""
    return _named(containers.KINDS) if stack.kind == "compose" else catalogue()


def kind_of(record: FaultRecord) -> Fault:
    return _named(containers.KINDS)[record.fault] if record.guards.container else catalogue()[record.fault]


def _named(kinds: Iterable[Fault]) -> dict[str, Fault]:
    return {kind.name: kind for kind in kinds}
