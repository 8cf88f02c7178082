"""Reading back through the platform's own API: the export of one tenant and signal, as a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from runners.ledger.items import Signal
from runners.lib.errors import NotReady

if TYPE_CHECKING:
    import httpx

    from runners.target import Target

OPERATION = "search.export"
ROLE = "analyst"
_PATIENCE_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0


class Unreadable(NotReady):
    """The store cannot be read, or not to the end: nothing may be concluded from what was read."""


class Reader(Protocol):
    """Reads everything that one tenant can see of one signal."""

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        """Items with start_ns <= time < end_ns. Raises Unreadable, also in the middle."""


class ExportReader:
    """The operation `search.export` of a target, done as each tenant's analyst."""

    def __init__(self, target: Target, *, timeout_s: float = 60.0) -> None:
        import httpx

        self._target, self._httpx = target, httpx
        operation = target.operation(OPERATION)
        if operation is None:
            raise Unreadable(
                f"target {target.name} has no capability {OPERATION}, so nothing can be read back",
                remedy=f"describe it in {target.path}",
            )
        self._shaped = operation.shaped
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        """A connection that fails before the first byte is tried again for half a minute; later failures are final."""
        what = f"the export of {signal} of {tenant}"
        response = self._open(tenant, signal, start_ns, end_ns, what)
        try:
            yield from _items(response, what, self._shaped)
        except self._httpx.HTTPError as error:
            raise Unreadable(f"{what} broke off: {type(error).__name__}: {error}") from None
        finally:
            response.close()

    def _open(self, tenant: str, signal: Signal, start_ns: int, end_ns: int, what: str) -> httpx.Response:
        deadline, pause, refused = time.monotonic() + _PATIENCE_S, _FIRST_PAUSE_S, 0
        while True:
            try:
                response = self._request(tenant, signal, start_ns, end_ns)
                if response.status_code == 200:
                    return response
                response.read()
                response.close()
                reason = f"answered {response.status_code}: {response.text[:200]}"
                refused += response.status_code == 401
                again = response.status_code in (429, 502, 503, 504) or (response.status_code == 401 and refused < 2)
            except (self._httpx.HTTPError, NotReady) as error:
                reason, again = f"failed: {type(error).__name__}: {error}", True
            if not again or time.monotonic() + pause > deadline:
                raise Unreadable(f"{what} {reason}", remedy="see `testbed status` and `testbed logs backend`")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _request(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> httpx.Response:
        operation = self._target.operation(OPERATION)
        assert operation is not None
        who = self._target.identity(tenant, ROLE)
        token = self._target.tokens.bearer(who)
        prepared = operation.request(**{"type": signal, "from": str(start_ns), "to": str(end_ns)})
        prepared = self._target.tokens.authorize(prepared, token)
        request = self._client.build_request(
            prepared.method, prepared.url, headers=dict(prepared.headers), json=prepared.json
        )
        response = self._client.send(request, stream=True)
        if response.status_code == 401:
            self._target.tokens.invalidate(who, token)
        return response


def _items(
    response: httpx.Response, what: str, shaped: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    count = 0
    rest = b""
    for chunk in response.iter_bytes():
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if not line:
                continue
            item = shaped(_decode(line, what))
            if "end" not in item:
                count += 1
                yield item
                continue
            if item.get("partial") or item.get("count") != count:
                raise Unreadable(f"{what} is not complete: {count:,} items came, its last line says {item}")
            return
    raise Unreadable(f"{what} was cut off after {count:,} items: its last line is missing")


def _decode(line: bytes, what: str) -> dict[str, Any]:
    try:
        item = orjson.loads(line)
    except ValueError:
        raise Unreadable(f"{what} has a line that is not JSON: {line[:80]!r}") from None
    if not isinstance(item, dict):
        raise Unreadable(f"{what} has a line that is no object: {line[:80]!r}")
    return item
