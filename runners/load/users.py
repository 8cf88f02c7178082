"""The Locust user: a person of one tenant, with a session of their own, who does the scenario's steps one by one.

Import only in a process that gevent has patched (runners.load.engine does it).
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, task
from locust.exception import StopUser

from runners.load.failures import kind_of, redact, trail
from runners.load.pace import Pace
from runners.load.scenario import Scenario
from runners.load.scoreboard import Scoreboard
from runners.load.steps import STEPS, Asker, Habits, Memory, Problem, Reply, Step
from runners.target import Answer, Identity, LoginRefused, Operation, PreparedRequest, Target, mark_names

TIMEOUT_S = 30.0


class RequestFailed(Exception):
    """What Locust's statistics are told; its text is the failure's kind, so that Locust counts it once."""


@dataclass
class Plan:
    """What all users share. crowd: identities in the order in which users take them; alarm: told of an operation's
    first leak at once. stopping: no user begins another step."""

    target: Target
    scenario: Scenario
    pace: Pace
    board: Scoreboard
    crowd: Sequence[Identity]
    operations: dict[str, Operation]
    seed: int
    alarm: Callable[[str], None]
    stopping: bool = False
    memories: dict[str, Memory] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.marks = mark_names(self.target.profile.tenancy)
        self.habits = Habits(self.scenario.window, self.scenario.limit, self.scenario.queries)
        self.shares = {name: share for name, share in self.scenario.mix.items() if name in self.operations}


def user_class(plan: Plan) -> type[FastHttpUser]:
    """The class that Locust spawns users of."""

    class TenantUser(FastHttpUser):
        """One user. Redirects are not followed and requests never repeated: a request is a request."""

        host = plan.target.urls["api"]
        network_timeout = connection_timeout = TIMEOUT_S
        max_retries = 0

        def __init__(self, environment: Any) -> None:
            super().__init__(environment)
            number = next(plan.numbers)
            self.identity = plan.crowd[number % len(plan.crowd)]
            self.tenant = str(self.identity.tenant)
            self.rng = random.Random(f"{plan.seed}:{number}")  # noqa: S311  (a repeatable choice, not a secret)
            self.memory = plan.memories.setdefault(self.tenant, Memory())
            self.tokens = plan.target.token_source(self.exchange, lock=lambda: BoundedSemaphore(1))
            self.spent_s = 0.0
            self.arrived = "auth.login" not in plan.shares

        def on_start(self) -> None:
            # Not all at once: users that start together would stay in step for the whole run.
            gevent.sleep(self.rng.uniform(0, min(1.0, plan.pace.pause_s(self.rng, 0))))

        def wait_time(self) -> float:
            return plan.pace.pause_s(self.rng, self.spent_s)

        @task
        def step(self) -> None:
            """One step of the mix; if too little is known for it, the search that finds out."""
            if plan.stopping:  # Locust has asked for this user's end while it woke: begin nothing that would be cut off
                raise StopUser
            started = time.monotonic()
            name = self.rng.choices(list(plan.shares), list(plan.shares.values()))[0]
            try:
                if name == "auth.login" or not self.arrived:  # everybody's first step, so no tenant is left out
                    self.arrived = True
                    self.sign_in()
                else:
                    self.perform(self._possible(STEPS[name]))
            except LoginRefused:
                pass  # counted where it was asked for
            self.spent_s = time.monotonic() - started

        def _possible(self, step: Step) -> Step:
            if step.needs is None or step.needs not in plan.operations:
                return step
            stale = self.rng.random() < 0.1  # now and then look for newer ones
            return step if step.can(self._asker()) and not stale else STEPS[step.needs]

        def _asker(self) -> Asker:
            return Asker(self.rng, self.memory, plan.habits, time.time_ns())

        def sign_in(self) -> None:
            """Log in anew and ask who one is: the platform must say the identity's own tenant."""
            self.tokens.forget(self.identity)
            token = self.tokens.bearer(self.identity)
            me = plan.target.profile.auth.me
            if me is None or (operation := plan.target.operation("auth.me")) is None:
                return
            answer = self.exchange("auth.me", self.tokens.authorize(operation.request(), token))
            if answer.ok:
                said = plan.target.told_tenant(answer)
                item = {"tenant": said} if said else {}
                marks = frozenset({"tenant"})
                plan.board.leak("auth.login").assess(self.tenant, [item], marks, **trail(answer.headers))

        def perform(self, step: Step) -> None:
            """Ask, check, look for leaks, learn. A 401 is answered by one refresh and one more try."""
            asker = self._asker()
            if not step.can(asker):
                return
            operation = plan.operations[step.operation]
            asked = step.ask(asker)
            if "filters" not in operation.mentions:
                asked.pop("filters", None)  # what cannot be asked for is not expected either
            request = operation.request(**asked)
            for renewing in (True, False):
                token = self.tokens.bearer(self.identity)
                answer = self.exchange(
                    step.operation, self.tokens.authorize(request, token), (step, operation, asked), renewing
                )
                if answer.status != 401 or not renewing:
                    break
                self.tokens.invalidate(self.identity, token)

        def exchange(
            self,
            name: str,
            request: PreparedRequest,
            about: tuple[Step, Operation, dict[str, Any]] | None = None,
            renewing: bool = False,
        ) -> Answer:
            """Send one request and record it. about: what to check the answer against. renewing: a 401 is no error."""
            plan.board.in_flight += 1
            done = False
            try:
                with self.client.request(
                    request.method, request.url, name=name, headers=dict(request.headers), json=request.json,
                    data=request.content, catch_response=True, allow_redirects=False,
                ) as response:  # fmt: skip
                    done = True
                    answer, error = _answer(response)
                    renewed = renewing and answer.status == 401
                    kind = None if renewed else self._judge(name, answer, error, about)
                    plan.board.record(name, self.tenant, answer.latency_s, error=kind is not None, renewed=renewed)
                    if kind is None:
                        response.success()
                    else:
                        response.failure(RequestFailed(kind))
                    return answer
            finally:
                plan.board.in_flight -= 1
                plan.board.abandoned += not done
            raise AssertionError("unreachable: the context manager returns or raises")

        def _judge(
            self,
            name: str,
            answer: Answer,
            error: BaseException | None,
            about: tuple[Step, Operation, dict[str, Any]] | None,
        ) -> str | None:
            """The kind of failure, or None. Leaks are looked for whatever else is wrong with an answer."""
            problem: Problem | None = None
            if about is not None and answer.ok:
                step, operation, asked = about
                items = operation.items(answer)
                own = self._assess(name, items or [], answer)
                problem = Problem("not JSON") if answer.json is None else step.check(asked, Reply(answer.json, items))
                if problem is None:
                    step.learn(self.memory, own)
                    return None
            elif answer.ok:
                if answer.json is not None:
                    return None
                problem = Problem("not JSON")
            kind = f"content: {problem.what}" if problem else kind_of(answer, error)
            detail = problem.detail if problem else ("" if error is None else redact(str(error)))
            plan.board.failures.record(
                name, kind, answer, tenant=self.tenant, detail=detail, content=problem is not None,
                secrets=(self.identity.password, self.identity.token),
            )  # fmt: skip
            return kind

        def _assess(self, name: str, items: Sequence[Any], answer: Answer) -> list[Any]:
            check = plan.board.leak(name)
            clean = not check.leaked
            own = check.assess(self.tenant, items, plan.marks, **trail(answer.headers))
            if clean and check.leaked:
                plan.alarm(f"tenant leak: {check.summary}")
            return own

    return TenantUser


def _answer(response: Any) -> tuple[Answer, BaseException | None]:
    """Locust's response as an answer; status 0 and the error when there was none."""
    latency = response.request_meta["response_time"] / 1000
    broken = response.request_meta["exception"] if not response.status_code else getattr(response, "error", None)
    if not response.status_code:
        return Answer(0, None, latency), broken
    content = response.content or b""
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    text = content[:4096].decode("utf-8", "replace")
    headers = dict((response.headers or {}).items())  # not dict(headers): that copies its inner form
    return Answer(int(response.status_code), document, latency, text, headers), broken
