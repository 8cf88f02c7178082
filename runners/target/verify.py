"""What a target can do: each canonical operation probed once, with the identity that may do it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from runners.lib.errors import NotReady
from runners.lib.text import one_line
from runners.target import journeys, jsonpath, live
from runners.target.canonical import CANONICAL
from runners.target.client import Target
from runners.target.identities import Identity
from runners.target.journeys import Step
from runners.target.live import LiveStreamFailed
from runners.target.operation import Answer, Operation
from runners.target.template import MissingVariable

State = Literal["ok", "failed", "not_applicable"]
WINDOW_S = 3600
_BY_FLOW = ("auth.login", "auth.refresh")


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
        """`{ready, required, operations, coverage, areas}`, the shape `testbed verify --json` prints."""
        return {
            "ready": self.ready, "required": list(self.required),
            "operations": [probe.to_json() for probe in self.operations], "coverage": self.coverage,
            "areas": self.areas,
        }  # fmt: skip

    @property
    def areas(self) -> dict[str, dict[State, int]]:
        """How many operations of each area (the first part of their names) are in each state."""
        found: dict[str, dict[State, int]] = {}
        for probe in self.operations:
            counts = found.setdefault(probe.name.partition(".")[0], {"ok": 0, "failed": 0, "not_applicable": 0})
            counts[probe.state] += 1
        return found


def verify(target: Target) -> Verification:
    """Probe each operation once. Never raises for what the target does: that is the finding.

    What writes is probed only where the profile allows writes, and what makes users and tenants only where it allows that.
    """
    probes = _Probing(target).all()
    return Verification(tuple(probes[name] for name in CANONICAL), target.profile.required)


class _Probing:
    """One verification: what it has learned so far, and the identities it uses."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tenant = target.tenants[0] if target.tenants else None
        self._known: dict[str, Any] = journeys.marks(self._tenant)
        if (hook := target.identities.webhook_tokens.get(self._tenant or "")) is not None:
            self._known["webhook_token"] = hook

    def all(self) -> dict[str, Probe]:
        return {step.name: self._one(step) for step in journeys.STEPS}

    def _one(self, step: Step) -> Probe:
        name, operation = step.name, self._target.operation(step.name)
        if operation is None and name in _BY_FLOW and self._target.profile.auth.flow.startswith("oidc_"):
            return _by_flow(self._target, name)
        if operation is None and (url := self._target.profile.without.get(name)) is not None:
            return Probe(name, "not_applicable", reason=f"not there: this environment has no service at urls.{url}")
        if operation is None:
            return Probe(name, "not_applicable", reason=f"capability {name} is not in the profile")
        if operation.template.probe is False:
            return Probe(name, "not_applicable", reason="the profile says not to probe it")
        if (reason := self._refusal(step, operation)) is not None:
            return Probe(name, "not_applicable", reason=reason)
        try:
            return self._ask(step, operation)
        except MissingVariable as error:
            return Probe(name, "not_applicable", reason=f"{error}: add it to probe in the profile")
        except NotReady as error:
            state: State = "failed" if name in self._target.profile.required else "not_applicable"
            return Probe(name, state, reason=error.what)
        except LiveStreamFailed as error:
            return Probe(name, "failed", error.status, reason=str(error))
        except httpx.HTTPError as error:
            return Probe(name, "failed", reason=f"{type(error).__name__}: {one_line(str(error), 160)}")

    def _refusal(self, step: Step, operation: Operation) -> str | None:
        """Why this operation cannot, or must not, be tried here."""
        if operation.writes:
            try:
                self._target.require("writes")
            except NotReady as error:
                return error.what
        if step.name in journeys.REGISTERS and not self._target.allow.register_users:
            return f"target {self._target.name} does not allow to make users and tenants (target.allow.register_users)"
        if (
            step.needs is not None
            and step.needs not in self._known
            and step.needs not in (operation.template.probe or {})
        ):
            return f"not tried: there is no {step.needs.replace('_', ' ')} to try it on"
        return None

    def _ask(self, step: Step, operation: Operation) -> Probe:
        variables = self._variables() | dict(step.gives(self._known)) | dict(operation.template.probe or {})
        if operation.name in ("auth.login", "auth.refresh", "auth.logout"):
            answer = self._session(operation, variables)
        else:
            who = self._identity(operation)
            if operation.template.subprotocols:
                return Probe(step.name, "ok", 101, live.first_message(self._target, operation, who, variables))
            answer = self._target.send(operation.request(**variables), who)
        known_trace = "trace_id" in self._known
        if step.learns is not None and operation.succeeded(answer) and step.learns not in self._known:
            self._learn(step.learns, operation, answer, variables)
        return _judge(self._target, operation, answer, known_trace=known_trace)

    def _variables(self) -> dict[str, Any]:
        now = time.time_ns()
        return {
            "from": str(now - WINDOW_S * 10**9), "to": str(now), "start": now / 1e9 - WINDOW_S, "end": now / 1e9,
            "step": 60, "limit": 1, "query": "up", "label": "__name__", "time": now / 1e9,
            "trace_id": secrets.token_hex(16),
        } | self._known  # fmt: skip

    def _learn(self, name: str, operation: Operation, answer: Answer, variables: Mapping[str, Any]) -> None:
        """The id of the first item of a list, or of what was made; where it was named by us, that name."""
        items = operation.items(answer)
        if name == "trace_id":
            found = next((item["trace_id"] for item in items or [] if _names_trace(item)), None)
        elif name == "alert_id":
            # A deployment may not know how to search: what stands first there is somebody's, and must be left alone.
            own = next((item for item in items or [] if journeys.TITLE in repr(item)), None)
            found = None if own is None else jsonpath.parse(operation.template.id).value(own)
        elif items is not None:
            found = jsonpath.parse(operation.template.id).value(items[0]) if items else None
        else:
            found = jsonpath.parse(operation.template.id).value(answer.json) or variables.get(name)
        if found is not None:
            self._known[name] = str(found)

    def _session(self, operation: Operation, variables: dict[str, Any]) -> Answer:
        """In a session of its own, so that refreshing or ending it disturbs nobody."""
        who = self._target.identity(self._tenant, "viewer")
        variables.update(username=who.username, password=who.password)
        if operation.name == "auth.login":
            return self._target.send(operation.request(**variables))
        own = self._target.token_source(lambda _purpose, request: self._target.send(request))
        own.bearer(who)
        if (token := own.refresh_token(who)) is not None:
            variables["refresh_token"] = token
        request = operation.request(**variables)
        if operation.name == "auth.logout":
            request = own.authorize(request, own.bearer(who))
        return self._target.send(request)

    def _identity(self, operation: Operation) -> Identity | None:
        if not operation.role:
            return None
        return self._target.identity(None if operation.role == "admin" else self._tenant, operation.role)


def _judge(target: Target, operation: Operation, answer: Answer, *, known_trace: bool) -> Probe:
    latency = round(answer.latency_s * 1000, 1)
    if not operation.succeeded(answer):
        hidden = (
            operation.name.startswith("traces.") and not known_trace and answer.status in target.profile.expect.foreign
        )
        if hidden and answer.json is not None:  # whoever answers everything so would look as good
            reason = "not assessed: no trace is known to be stored, and an unknown one is missing"
            return Probe(operation.name, "not_applicable", answer.status, latency, reason)
        if answer.status == 501 and operation.name not in target.profile.required:
            return Probe(
                operation.name, "not_applicable", 501, latency, "the deployment says that it does not support it"
            )
        return Probe(operation.name, "failed", answer.status, latency, f"answered with status {answer.status}")
    if operation.template.items is not None and operation.items(answer) is None:
        return Probe(operation.name, "failed", answer.status, latency, f"no list at {operation.template.items}")
    login = target.profile.auth.login
    if operation.name == "auth.login" and login and not jsonpath.parse(login.token).value(answer.json):
        return Probe(operation.name, "failed", answer.status, latency, f"no token at {login.token}")
    return Probe(operation.name, "ok", answer.status, latency)


def _names_trace(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("trace_id"), str)


def _by_flow(target: Target, name: str) -> Probe:
    """Logging in and refreshing at a provider: done by the flow, whatever operations the profile describes."""
    own = target.token_source(lambda _purpose, request: target.send(request))
    began = time.monotonic()
    try:
        who = target.identity(target.tenants[0] if target.tenants else None, "viewer")
        own.bearer(who)
        if name == "auth.refresh":
            began = time.monotonic()
            own.invalidate(who)
            own.bearer(who)
    except NotReady as error:
        return Probe(name, "failed", reason=error.what)
    except httpx.HTTPError as error:
        return Probe(name, "failed", reason=f"{type(error).__name__}: {one_line(str(error), 160)}")
    took = round((time.monotonic() - began) * 1000, 1)
    if name == "auth.refresh" and not own.refreshes:
        return Probe(name, "failed", reason="the session could not be refreshed, only begun anew")
    return Probe(name, "ok", None, took, f"by the flow {target.profile.auth.flow}")
