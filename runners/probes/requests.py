"""What a probe sends: a small OTLP write with a tenant's identity, or a look at a health address."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from runners.probes.attempt import Outcome
from runners.target import TENANT_MARK, Identity, TokenSource

SERVICE = "testbed-probe"


@dataclass(frozen=True)
class Address:
    """Where to connect. path: the base path, without a slash at its end."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "127.0.0.1", parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))


class Request(Protocol):
    """What is sent again and again."""

    name: str
    address: Address

    def encode(self, number: int) -> bytes:
        """The whole HTTP/1.1 request of attempt `number`; must not block."""
        ...

    def judge(self, status: int, body: bytes) -> tuple[Outcome, str]: ...

    def prepare(self) -> None:
        """Called before the first attempt, and about once a second in a thread of its own; may block."""
        ...


class HealthRequest:
    """GET of a health address; anything below 400 is a success."""

    def __init__(self, url: str, name: str = "health") -> None:
        self.name, self.address = name, Address.of(url)

    def encode(self, number: int) -> bytes:  # noqa: ARG002  (every look is the same)
        return _head("GET", self.address, self.address.path or "/")

    def judge(self, status: int, body: bytes) -> tuple[Outcome, str]:  # noqa: ARG002
        return ("ok", "") if status < 400 else ("failed", f"HTTP {status}")

    def prepare(self) -> None:
        """Nothing to keep fresh."""


class WriteRequest:
    """One log record by OTLP/HTTP (JSON), marked as the probe's. ingest: base URL; run: goes into `testbed.probe`."""

    def __init__(
        self,
        ingest: str,
        run: str,
        identity: Identity,
        tokens: TokenSource,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name, self.address = "write", Address.of(ingest)
        self._run, self._identity, self._tokens, self._clock = run, identity, tokens, clock
        self._bearer, self._lock, self._stale = "", threading.Lock(), False

    def prepare(self) -> None:
        """Keep the token fresh; raises what the token source raises (LoginRefused, transport errors)."""
        with self._lock:
            stale, self._stale = self._stale, False
        if stale and self._bearer:
            self._tokens.invalidate(self._identity, self._bearer)
        self._bearer = self._tokens.bearer(self._identity)

    def encode(self, number: int) -> bytes:
        body = json.dumps(self._document(number), separators=(",", ":")).encode()
        head = _head(
            "POST", self.address, f"{self.address.path}/v1/logs",
            f"Content-Type: application/json\r\nAuthorization: Bearer {self._bearer}\r\nContent-Length: {len(body)}\r\n",
        )  # fmt: skip
        return head + body

    def judge(self, status: int, body: bytes) -> tuple[Outcome, str]:
        if status == 401:
            with self._lock:
                self._stale = True
        if status in (401, 403, 408, 429):
            return "refused", f"HTTP {status}"
        if status >= 400:
            return "failed", f"HTTP {status}"
        if b"ejected" in body and _rejected(body):
            return "failed", "the record was rejected"
        return "ok", ""

    def _document(self, number: int) -> dict[str, Any]:
        now = str(self._clock())
        mark = _attribute("testbed.probe", self._run)
        resource = [_attribute("service.name", SERVICE), mark]
        if self._identity.tenant is not None:
            resource.append(_attribute(TENANT_MARK, str(self._identity.tenant)))
        record = {
            "timeUnixNano": now, "observedTimeUnixNano": now, "severityNumber": 9, "severityText": "INFO",
            "body": {"stringValue": f"probe {number}"}, "attributes": [mark],
        }  # fmt: skip
        scope = {"scope": {"name": SERVICE}, "logRecords": [record]}
        return {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [scope]}]}


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _rejected(body: bytes) -> bool:
    """An OTLP answer may say 200 and yet reject the record (partial_success, int64 as a decimal string)."""
    try:
        partial = json.loads(body).get("partialSuccess") or {}
        return int(partial.get("rejectedLogRecords", 0)) > 0
    except (ValueError, AttributeError, TypeError):
        return False


def _head(method: str, address: Address, path: str, headers: str = "") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
        f"User-Agent: {SERVICE}\r\nConnection: close\r\n{headers}\r\n"
    ).encode()
