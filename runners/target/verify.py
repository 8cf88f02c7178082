"""What a target can do: each canonical operation probed once, with the identity that may do it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from runners.lib.errors import NotReady
from runners.lib.text import one_line
from runners.target import jsonpath
from runners.target.canonical import CANONICAL
from runners.target.client import Target
from runners.target.identities import Identity
from runners.target.operation import Answer, Operation
from runners.target.template import MissingVariable
from runners.target.tokens import TokenSource

State = Literal["ok", "failed", "not_applicable"]
WINDOW_S = 3600


@dataclass(frozen=True)
class Probe:
    """What one probe found. status, latency_ms: of the answer, None when there was none."""

    name: str
    state: State
    status: int | None = None
    latency_ms: float | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "state": self.state, "status": self.status, "latency_ms": self.latency_ms,
            "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True)
class Verification:
    """The result of `testbed verify`."""

    operations: tuple[Probe, ...]
    required: tuple[str, ...]

    @property
    def missing(self) -> tuple[Probe, ...]:
        """Required operations that are not ok."""
        return tuple(probe for probe in self.operations if probe.name in self.required and probe.state != "ok")

    @property
    def ready(self) -> bool:
        return not self.missing

    @property
    def coverage(self) -> float:
        """Share of the canonical operations that this target was seen to do."""
        return round(sum(probe.state == "ok" for probe in self.operations) / len(self.operations), 4)

    def to_json(self) -> dict[str, Any]:
        """`{ready, required, operations, coverage}`, the shape `testbed verify --json` prints."""
        return {
            "ready": self.ready, "required": list(self.required),
            "operations": [probe.to_json() for probe in self.operations], "coverage": self.coverage,
        }  # fmt: skip


def verify(target: Target) -> Verification:
    """Probe each operation once. Never raises for what the target does: that is the finding."""
    probes = {probe.name: probe for probe in _probe_all(target)}
    return Verification(tuple(probes[name] for name in CANONICAL), target.profile.required)


def _probe_all(target: Target) -> Iterator[Probe]:
    # Traces first: the id of a stored one makes the probe of traces.get mean something.
    first = ("search.traces", "traces.search")
    trace_id: str | None = None
    for name in (*first, *(name for name in CANONICAL if name not in first)):
        operation = target.operation(name)
        if operation is None:
            yield Probe(name, "not_applicable", reason=f"capability {name} is not in the profile")
            continue
        if operation.template.probe is False:
            yield Probe(name, "not_applicable", reason="the profile says not to probe it")
            continue
        if operation.writes and (refusal := _write_refusal(target)):
            yield Probe(name, "not_applicable", reason=refusal)
            continue
        try:
            probe, answer = _probe(target, operation, trace_id)
        except MissingVariable as error:
            probe, answer = Probe(name, "not_applicable", reason=f"{error}: add it to probe in the profile"), None
        except NotReady as error:
            state: State = "failed" if name in target.profile.required else "not_applicable"
            probe, answer = Probe(name, state, reason=error.what), None
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {one_line(str(error), 160)}"
            probe, answer = Probe(name, "failed", reason=reason), None
        if name in first and answer is not None:
            trace_id = trace_id or _trace_id(operation, answer)
        yield probe


def _probe(target: Target, operation: Operation, trace_id: str | None) -> tuple[Probe, Answer]:
    now = time.time_ns()
    variables: dict[str, Any] = {
        "from": str(now - WINDOW_S * 10**9), "to": str(now), "start": now / 1e9 - WINDOW_S, "end": now / 1e9,
        "step": 60, "limit": 1, "query": "up", "label": "__name__", "time": now / 1e9,
        "trace_id": trace_id or secrets.token_hex(16),
    } | dict(operation.template.probe or {})  # fmt: skip
    who: Identity | None = None
    if operation.name in ("auth.login", "auth.refresh", "auth.logout"):
        who, own = _session(target, operation, variables)
        if own is not None:  # its own session, so that refreshing or ending it disturbs nobody
            request = own.authorize(operation.request(**variables), own.bearer(who))
            answer = target.send(request)
        else:
            answer = target.send(operation.request(**variables))
    else:
        who = _identity(target, operation)
        answer = target.send(operation.request(**variables), who)
    return _judge(target, operation, answer, known_trace=trace_id is not None), answer


def _session(target: Target, operation: Operation, variables: dict[str, Any]) -> tuple[Identity, TokenSource | None]:
    who = target.identity(target.tenants[0] if target.tenants else None, "viewer")
    variables.update(username=who.username, password=who.password)
    if operation.name == "auth.login":
        return who, None
    own = target.token_source(lambda _purpose, request: target.send(request))
    own.bearer(who)
    if (token := own.refresh_token(who)) is not None:
        variables["refresh_token"] = token
    return who, own if operation.name == "auth.logout" else None


def _identity(target: Target, operation: Operation) -> Identity | None:
    if not operation.role:
        return None
    tenant = None if operation.role == "admin" or not target.tenants else target.tenants[0]
    return target.identity(tenant, operation.role)


def _judge(target: Target, operation: Operation, answer: Answer, *, known_trace: bool) -> Probe:
    latency = round(answer.latency_s * 1000, 1)
    if not operation.succeeded(answer):
        hidden = (
            operation.name.startswith("traces.") and not known_trace and answer.status in target.profile.expect.foreign
        )
        if hidden and answer.json is not None:
            return Probe(
                operation.name, "ok", answer.status, latency, "no trace is stored yet: an unknown one is missing"
            )
        return Probe(operation.name, "failed", answer.status, latency, f"answered with status {answer.status}")
    if operation.template.items is not None and operation.items(answer) is None:
        return Probe(operation.name, "failed", answer.status, latency, f"no list at {operation.template.items}")
    login = target.profile.auth.login
    if operation.name == "auth.login" and login and not jsonpath.parse(login.token).value(answer.json):
        return Probe(operation.name, "failed", answer.status, latency, f"no token at {login.token}")
    return Probe(operation.name, "ok", answer.status, latency)


def _trace_id(operation: Operation, answer: Answer) -> str | None:
    for item in operation.items(answer) or []:
        if isinstance(item, dict) and isinstance(item.get("trace_id"), str):
            return str(item["trace_id"])
    return None


def _write_refusal(target: Target) -> str | None:
    try:
        target.require("writes")
    except NotReady as error:
        return error.what
    return None
