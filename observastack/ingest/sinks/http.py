"""POST to a store over one kept connection, from a writer thread."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

from observastack.store.write import Unavailable

_MAX_ANSWER = 1 << 16


@dataclass(frozen=True, slots=True)
class Reply:
    """status, the first 64 KiB of the body as text, and Retry-After in seconds (1 when the store names none)."""

    status: int
    text: str
    retry_after_s: int = 1


class StoreConnection:
    """One HTTP/1.1 connection, kept open and opened again when it turns out to be closed.

    What is sent must be harmless when it arrives twice: a request that went out on a connection that the store had closed
    meanwhile is sent once more.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Raises Unavailable."""
        for last in (False, True):
            kept = self._connection.sock is not None
            try:
                self._connection.request("POST", self._prefix + path, body, headers)
                response = self._connection.getresponse()
                text = response.read(_MAX_ANSWER).decode("utf-8", "replace")
                if response.length and len(text) < _MAX_ANSWER:
                    raise http.client.IncompleteRead(b"", response.length)  # `read` with a size does not say so
            except TimeoutError as error:
                self.close()
                raise Unavailable("no answer in time", unknown=True) from error
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if last or not kept:
                    # Refused is certain; anything else may have been stored.
                    unknown = not isinstance(error, ConnectionRefusedError)
                    raise Unavailable(f"{type(error).__name__}: {error}", unknown=unknown) from error
                continue
            if not response.isclosed():  # a longer answer than anybody wants to read
                self.close()
            after = response.headers.get("retry-after", "")
            return Reply(response.status, text, min(int(after), 3600) if after.isdecimal() else 1)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._connection.close()
