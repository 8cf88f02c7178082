"""Asking a store over HTTP: what fails for now is tried again for half a minute, anything else is no answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from runners.audit.reader import Unreadable

_PATIENCE_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_LATER = (429, 502, 503, 504)


class Questions:
    """One store. Thread-safe."""

    def __init__(self, name: str, url: str, *, patience_s: float = _PATIENCE_S, timeout_s: float = 60.0) -> None:
        """name: as people call the store."""
        self.name, self.url, self._patience_s = name, url.rstrip("/"), patience_s
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def get(
        self, path: str, parameters: Mapping[str, str], headers: Mapping[str, str], final: tuple[int, ...] = (200,)
    ) -> httpx.Response:
        """An answer with one of these statuses. Raises Unreadable."""
        deadline, pause = time.monotonic() + self._patience_s, _FIRST_PAUSE_S
        while True:
            try:
                answer = self._client.get(self.url + path, params=dict(parameters), headers=dict(headers))
            except httpx.HTTPError as error:
                reason, again = f"failed: {type(error).__name__}: {error}", True
            else:
                if answer.status_code in final:
                    return answer
                reason = f"answered {answer.status_code}: {answer.text[:200].strip()}"
                again = answer.status_code in _LATER
            if not again or time.monotonic() + pause > deadline:
                raise Unreadable(
                    f"{self.name} at {self.url} cannot be read: {path} {reason}",
                    remedy=f"see that this is the address of a {self.name} and that it is up, then audit again",
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def tell(self, path: str) -> None:
        """A request that asks for nothing back (POST). Raises Unreadable."""
        try:
            answer = self._client.post(self.url + path)
        except httpx.HTTPError as error:
            raise Unreadable(f"{self.name} at {self.url} cannot be told {path}: {type(error).__name__}") from None
        if not answer.is_success:
            raise Unreadable(
                f"{self.name} at {self.url} answered {answer.status_code} to {path}: {answer.text[:200].strip()}"
            )

    def data(self, answer: httpx.Response, kind: str) -> list[Any]:
        """The result of a query of this kind (streams, matrix, vector). Raises Unreadable for an answer that is none, and for
        one that says that it is not whole."""
        try:
            document = orjson.loads(answer.content)
            if document["status"] == "success" and document["data"]["resultType"] == kind:
                if told := document.get("warnings"):
                    raise Unreadable(f"{self.name} at {self.url} says that its answer is not whole: {told}")
                result = document["data"]["result"]
                if isinstance(result, list):
                    return result
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        raise self.garbage(answer)

    def garbage(self, answer: httpx.Response) -> Unreadable:
        """What to raise for an answer that means nothing."""
        return Unreadable(
            f"{self.name} at {self.url} answers what no {self.name} does: {answer.content[:80]!r}",
            remedy=f"give the address of a {self.name}",
        )
