"""What the journal keeps of one fault: enough that a process which knows nothing else can undo and verify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

State = Literal["PLANNED", "ACTIVE", "REVERTED", "FAILED"]
VERSION = 1


@dataclass(frozen=True)
class Operation:
    """One step of an injection or of its inverse.

    action: `signal` (argument: signal name), `supervisor` (argument: `stop` or `start`) or `engine` (argument: what is asked
    of the container engine: `kill`, `stop`, `start`, `restart`, `pause` or `unpause`).
    scope: for signals, `main` (the process that the supervisor started) or `tree` (it and all its descendants).
    """

    action: str
    argument: str
    scope: str = "main"

    def describe(self, target: str) -> str:
        """The operation as a sentence fragment, for dry runs."""
        if self.action == "signal":
            what = "the main process" if self.scope == "main" else "every process"
            return f"send {self.argument} to {what} of {target}"
        if self.action == "engine":
            return f"ask the engine to {self.argument} the container of {target}" + _UNLESS.get(self.argument, "")
        return f"ask the supervisor to {self.argument} {target}" + (" unless it runs" * (self.argument == "start"))


_UNLESS = {"start": " unless it runs", "unpause": " if it is paused"}


@dataclass(frozen=True)
class Identity:
    """A process named beyond pid reuse. start: clock ticks since boot (proc(5), field 22)."""

    pid: int
    start: int


@dataclass(frozen=True)
class Container:
    """A container by its id, which no other ever gets. started_at: as the engine says it; a restart changes it."""

    id: str
    started_at: str


NOBODY = Identity(0, 0)


@dataclass(frozen=True)
class Guards:
    """What must still be true for the fault to exist. A mismatch means "gone": there is nothing to undo.

    container: where the service is one; its processes are the engine's business then, `supervisor` and `main` NOBODY.
    """

    boot_id: str
    env_id: str
    supervisor: Identity
    main: Identity
    processes: tuple[Identity, ...]
    container: Container | None = None


@dataclass(frozen=True)
class Access:
    """How to reach the target again: the address of the supervisor or engine, the program's name there, the health check."""

    url: str
    username: str
    password_file: str
    program: str
    health: dict[str, Any]


@dataclass(frozen=True)
class FaultRecord:
    """One fault. Times ending in `_at` and `deadline` are Unix seconds; `deadline_boot` is CLOCK_BOOTTIME in seconds,
    which no clock step moves. by: `runner`, `watchdog` or `recover`. reason: why FAILED, or why nothing had to be undone.
    landing_s: its injection was handed to an engine, which may carry it out so long after its sender has died. unanswered:
    it is FAILED for the only reason that who could undo it gave no answer, so that another try is worth it.
    """

    id: str
    run: str
    environment: str
    fault: str
    target: str
    state: State
    ttl_s: float
    planned_at: float
    deadline: float
    deadline_boot: float
    inject: tuple[Operation, ...]
    revert: tuple[Operation, ...]
    guards: Guards
    access: Access
    injected_at: float | None = None
    effect: str | None = None
    reverted_at: float | None = None
    by: str | None = None
    attempts: int = 0
    reason: str | None = None
    landing_s: float = 0.0
    unanswered: bool = False
    v: int = field(default=VERSION)

    @property
    def open(self) -> bool:
        """May anything of it still be in force?"""
        return self.state != "REVERTED"

    @property
    def undoable(self) -> bool:
        """Open, and not known to need a person's hand."""
        return self.open and (self.state != "FAILED" or self.unanswered)

    def with_(self, **changes: Any) -> FaultRecord:
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FaultRecord:
        """Raises KeyError or TypeError when the document is not a fault record."""
        fields = dict(document)
        guards = dict(fields["guards"])
        guards["supervisor"] = Identity(**guards["supervisor"])
        guards["main"] = Identity(**guards["main"])
        guards["processes"] = tuple(Identity(**item) for item in guards["processes"])
        if guards.get("container") is not None:
            guards["container"] = Container(**guards["container"])
        fields["guards"] = Guards(**guards)
        fields["access"] = Access(**fields["access"])
        for key in ("inject", "revert"):
            fields[key] = tuple(Operation(**item) for item in fields[key])
        return cls(**fields)
