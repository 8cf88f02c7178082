"""What a journey acts in: a target, a tenant and a stranger, names of its own, and patience.

An outage before the question is `Unassessed`; an answer that breaks the promise is `Broken`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from runners.e2e import telemetry
from runners.e2e.journey import Absent, Broken, Unassessed
from runners.lib.errors import NotReady
from runners.lib.home import Environment
from runners.lib.text import one_line
from runners.target import Answer, Identity, MissingVariable, Operation, Target, jsonpath

T = TypeVar("T")
PATIENCE_S = 15.0
PAUSE_S = 0.1
MARGIN_NS = 60 * 10**9


@dataclass
class Scene:
    """One journey's place. mark: a word that occurs nowhere else; service: the name of its telemetry's service."""

    target: Target
    environment: Environment
    tenant: str
    other: str | None
    mark: str = field(default_factory=lambda: f"e2e{secrets.token_hex(6)}")
    began_ns: int = field(default_factory=time.time_ns)

    @property
    def stranger(self) -> str:
        """Another tenant. Raises Absent where there is but one."""
        if self.other is None:
            raise Absent(f"target {self.target.name} has one tenant only: there is nobody to be kept apart from")
        return self.other

    @property
    def service(self) -> str:
        return f"e2e-{self.mark}"

    @property
    def window(self) -> dict[str, str]:
        """The time range in which all that this journey writes lies, as the variables `from` and `to`."""
        return {"from": str(self.began_ns - 10 * MARGIN_NS), "to": str(time.time_ns() + MARGIN_NS)}

    def moment(self, number: int) -> int:
        """The number-th of distinct times 100 ms apart, 40 s ago and on, with odd nanoseconds: whoever rounds is found out."""
        return (self.began_ns // 10**6 - 40_000 + number * 100) * 10**6 + 137_531

    def who(self, role: str, tenant: str | None = None) -> Identity:
        """The test user. Raises Absent where this deployment has no such role or user."""
        try:
            return self.target.identity(None if role == "admin" else tenant or self.tenant, role)
        except NotReady as error:
            raise Absent(error.what) from None

    def operation(self, name: str) -> Operation:
        found = self.target.operation(name)
        if found is None:
            raise Absent(f"target {self.target.name} has no capability {name}")
        return found

    def takes(self, name: str, variable: str) -> None:
        """Raises Absent unless the operation can be told this variable, such as `filters`."""
        if variable not in self.operation(name).mentions:
            raise Absent(f"{name} of target {self.target.name} takes no {variable}")

    def call(self, name: str, who: Identity | None, /, **variables: Any) -> Answer:
        """The answer, whatever its status. Raises Absent, Unassessed (no answer at all)."""
        operation = self.operation(name)
        try:
            return self.target.send(operation.request(**variables), who)
        except MissingVariable as error:
            raise Absent(f"{name}: {error}") from None
        except NotReady as error:
            raise Unassessed(f"{name}: {error.what}") from None
        except httpx.HTTPError as error:
            raise Unassessed(f"{name}: {type(error).__name__}: {one_line(str(error), 120)}") from None

    def whole(self, name: str, who: Identity, /, **variables: Any) -> httpx.Response:
        """The whole body of a successful answer, for what is no JSON document: exports and event streams."""
        request = self.operation(name).request(**variables)
        request = self.target.tokens.authorize(request, self.target.tokens.bearer(who))
        try:
            found = httpx.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                json=request.json,
                timeout=60,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise Unassessed(f"{name}: {type(error).__name__}: {one_line(str(error), 120)}") from None
        if found.status_code != 200:
            raise Broken(f"{name} answered {found.status_code}: {one_line(found.text, 160)}")
        return found

    def ok(self, name: str, who: Identity | None, /, **variables: Any) -> Answer:
        """The answer of an operation that must succeed. Raises Broken."""
        answer = self.call(name, who, **variables)
        if not self.operation(name).succeeded(answer):
            raise Broken(f"{name} answered {answer.status}: {one_line(answer.text, 160)}")
        return answer

    def refused(
        self, name: str, who: Identity | None, statuses: Sequence[int], why: str, /, **variables: Any
    ) -> Answer:
        """The answer of an operation that must be refused with one of these statuses. Raises Broken."""
        answer = self.call(name, who, **variables)
        _assessable(name, answer, statuses)
        if answer.status not in statuses:
            wanted = " or ".join(map(str, statuses))
            raise Broken(f"{name} answered {answer.status} instead of {wanted}: {why}")
        return answer

    def turned_down(self, name: str, answer: Answer, otherwise: str) -> None:
        """Raises Broken unless the answer is a refusal (4xx), with whatever status; Unassessed when the reason is that there
        were too many requests."""
        _assessable(name, answer, ())
        if not 400 <= answer.status < 500:
            raise Broken(f"{otherwise} ({answer.status})")

    def answered(self, name: str, answer: Answer) -> Answer:
        """The answer, of whatever content. Raises Unassessed where a server's error or a limit stands in its place: that
        somebody does not see a thing in these proves nothing."""
        _assessable(name, answer, ())
        if answer.status >= 500 and answer.status != 501:
            raise Unassessed(f"{name} answered {answer.status}: {one_line(answer.text, 160)}")
        return answer

    def items(self, name: str, who: Identity | None, /, **variables: Any) -> list[dict[str, Any]]:
        """The list of a successful answer."""
        answer = self.ok(name, who, **variables)
        found = self.operation(name).items(answer)
        if found is None:
            raise Broken(f"{name}: no list at {self.operation(name).template.items}")
        return found

    def walk(self, name: str, who: Identity, /, **variables: Any) -> Iterator[list[dict[str, Any]]]:
        """Page after page to the end. Raises Absent where the profile does not say where the cursor lies."""
        operation = self.operation(name)
        if operation.template.next is None:
            raise Absent(f"the profile does not say where the cursor of {name} lies")
        cursor: str | None = None
        for _ in range(1000):
            answer = self.ok(name, who, **variables, **({"cursor": cursor} if cursor else {}))
            yield operation.items(answer) or []
            if (cursor := operation.next_cursor(answer)) is None:
                return
        raise Broken(f"{name}: the walk through pages did not end after 1,000")

    def write_logs(self, logs: Sequence[telemetry.Log], *, tenant: str | None = None) -> None:
        self._write("ingest.logs", telemetry.logs_request(self.service, logs), tenant)

    def write_spans(self, spans: Sequence[telemetry.Span], *, tenant: str | None = None) -> None:
        self._write("ingest.traces", telemetry.spans_request(self.service, spans), tenant)

    def write_points(self, points: Sequence[telemetry.Point], *, tenant: str | None = None) -> None:
        self._write("ingest.metrics", telemetry.points_request(self.service, points), tenant)

    def writable(self) -> None:
        """Raises Absent where nothing may be written."""
        try:
            self.target.require("writes")
        except NotReady as error:
            raise Absent(error.what) from None

    def _write(self, name: str, payload: dict[str, Any], tenant: str | None) -> None:
        self.writable()
        answer = self.call(name, self.who("agent", tenant), payload=payload)
        if not answer.ok:
            raise Unassessed(f"{name} answered {answer.status}, so there is nothing to look for")

    def mine(self, name: str, who: Identity | None = None, /, **variables: Any) -> list[dict[str, Any]]:
        """Items of a search for this journey's mark that carry it. who: default the tenant's viewer."""
        found = self.items(
            name, who or self.who("viewer"), **{"free_text": self.mark, "limit": 200, **self.window, **variables}
        )
        return [item for item in found if self.mark in repr(item)]

    def error(self, answer: Answer) -> dict[str, Any]:
        """What an error says, by the parts that the profile names: code, message, request_id."""
        parts = self.target.profile.expect.error.model_dump()
        return {name: jsonpath.parse(path).value(answer.json) for name, path in parts.items() if path is not None}

    def same_refusal(self, one: Answer, other: Answer, what: str) -> None:
        """Raises Broken when the two refusals can be told apart by status, code or message."""
        told = [
            (answer.status, {key: value for key, value in self.error(answer).items() if key != "request_id"})
            for answer in (one, other)
        ]
        if told[0] != told[1]:
            raise Broken(f"{what}: {told[0]} instead of {told[1]}")

    def eventually(self, look: Callable[[], T], good: Callable[[T], Any], otherwise: str) -> T:
        """Look again until it is good; the last look then. Raises Broken after the patience."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = look()
            if good(found):
                return found
            if time.monotonic() > deadline:
                raise Broken(f"{otherwise} within {PATIENCE_S:g} s")
            time.sleep(PAUSE_S)

    def webhook_token(self, tenant: str | None = None) -> str:
        """The bearer with which an Alertmanager may speak for the tenant. Raises Absent."""
        found = self.target.identities.webhook_tokens.get(tenant or self.tenant)
        if not found:
            raise Absent(f"no webhook token of tenant {tenant or self.tenant} is known")
        return found


def _assessable(name: str, answer: Answer, wanted: Sequence[int]) -> None:
    """Whoever asks too often is refused whatever was asked: that is no answer to the question."""
    if answer.status == 429 and 429 not in wanted:
        raise Unassessed(f"{name} answered 429: there were too many requests")
