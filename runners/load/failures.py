"""Failure signatures: failures of one kind are counted once, with when they were seen and three redacted samples."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runners.lib.text import one_line
from runners.target import Answer

SAMPLES = 3
SAMPLE_CHARACTERS = 400
SIGNATURES_MAX = 500  # the last one takes what comes after

_JWT = re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_MEMBER = re.compile(r'(?i)("[^"]*(?:token|password|secret|authorization|api_?key)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"?')


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without tokens, members that are named like secrets, and the given secrets."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[redacted]")
    text = _MEMBER.sub(r'\1"[redacted]"', text)
    return _BEARER.sub(r"\1 [redacted]", _JWT.sub("[redacted]", text))


@dataclass
class Signature:
    """All failures of one kind. content: the answer was wrong, rather than missing or an error."""

    operation: str
    kind: str
    content: bool
    count: int = 0
    first_seen: float = 0.0
    last_seen: float = 0.0
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.operation}: {self.kind}"

    def to_json(self) -> dict[str, Any]:
        return {
            "signature": self.name, "operation": self.operation, "kind": self.kind, "content": self.content,
            "count": self.count, "first_seen": self.first_seen, "last_seen": self.last_seen, "samples": self.samples,
        }  # fmt: skip


class Failures:
    """Signatures by (operation, kind)."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Signature] = {}

    def record(
        self,
        operation: str,
        kind: str,
        answer: Answer | None,
        *,
        tenant: str | None,
        detail: str = "",
        content: bool = False,
        secrets: Iterable[str] = (),
    ) -> bool:
        """Count one failure; True when its kind is new."""
        if (operation, kind) not in self._known and len(self._known) >= SIGNATURES_MAX:
            operation, kind = "*", "other kinds"
        new = (operation, kind) not in self._known
        found = self._known.setdefault((operation, kind), Signature(operation, kind, content))
        now = round(time.time(), 3)
        found.count += 1
        found.first_seen = found.first_seen or now
        found.last_seen = now
        if len(found.samples) < SAMPLES:
            found.samples.append(_sample(now, tenant, detail, answer, tuple(secrets)))
        return new

    def all(self) -> list[Signature]:
        """Most frequent first."""
        return sorted(self._known.values(), key=lambda item: -item.count)

    def content_errors(self, operation: str) -> list[Signature]:
        return [item for item in self.all() if item.operation == operation and item.content]


def kind_of(answer: Answer, error: BaseException | None) -> str:
    """Names a failure that is not about content: an HTTP status with the code of the error envelope, or what broke."""
    if answer.status:
        envelope = answer.json.get("error") if isinstance(answer.json, dict) else None
        code = envelope.get("code") if isinstance(envelope, dict) else None
        return f"HTTP {answer.status}" + (f" {one_line(str(code), 60)}" if code else "")
    return "no answer" if error is None else type(error).__name__


def _sample(
    now: float, tenant: str | None, detail: str, answer: Answer | None, secrets: tuple[str, ...]
) -> dict[str, Any]:
    sample: dict[str, Any] = {"ts": now, "tenant": tenant}
    if detail:
        sample["detail"] = redact(one_line(detail), secrets)
    if answer is not None:
        sample |= {"status": answer.status, "latency_ms": round(answer.latency_s * 1000, 1)}
        sample |= trail(answer.headers)
        if answer.text:
            # Redacted before it is cut: half a token would not be recognised.
            sample["body"] = one_line(redact(answer.text, secrets), SAMPLE_CHARACTERS)
    return sample


def trail(headers: Mapping[str, str]) -> dict[str, str]:
    """What leads from an answer to the platform's own logs: request and trace id."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = {"request_id": lower.get("x-request-id"), "traceparent": lower.get("traceparent")}
    return {name: one_line(value, 80) for name, value in found.items() if value}
