"""Readiness of the configured real stores, each by its own health address."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from observastack.config import Stores
from observastack.ingest.health import Probe

_PATHS = {"loki": "/ready", "prometheus": "/-/ready", "tempo": "/ready"}


class StoreProbe:
    """One GET on a connection of its own; one question at a time, shared by who asks meanwhile.

    also: a second address (host, port) that must accept connections, for a store that is written to elsewhere.
    """

    def __init__(self, url: str, path: str, also: tuple[str, int] | None = None, timeout_s: float = 1.0) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._request = (
            f"GET {parts.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        self._also, self._timeout_s = also, timeout_s
        self._asking: asyncio.Task[Probe] | None = None

    async def ask(self) -> Probe:
        """Answers within the timeout whatever the store does."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Probe:
        started = time.monotonic()
        reason: str | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                reason = None if await self._status() == b"200" else "not ready"
                if self._also is not None:
                    _, writer = await asyncio.open_connection(*self._also)
                    writer.close()
        except TimeoutError:
            reason = "no answer in time"
        except (OSError, ValueError):
            reason = "not reachable"
        return Probe(reason is None, round((time.monotonic() - started) * 1000, 3), reason)

    async def _status(self) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=8192, ssl=self._tls or None)
        try:
            writer.write(self._request)
            parts = (await reader.readline()).split(None, 2)
            return parts[1] if len(parts) > 1 and parts[0].startswith(b"HTTP/1.") else b""
        finally:
            writer.close()


def store_probes(stores: Stores) -> dict[str, StoreProbe]:
    """Name -> probe of every real store that something is written to."""
    probes = {}
    for adapter in dict.fromkeys((stores.logs, stores.metrics, stores.traces)):
        if adapter in _PATHS:
            also = address(stores.tempo_otlp or "") if adapter == "tempo" else None
            probes[adapter] = StoreProbe(getattr(stores, f"{adapter}_url") or "", _PATHS[adapter], also)
    return probes


def address(text: str) -> tuple[str, int]:
    """`host:port`, with or without brackets and scheme."""
    parts = urlsplit(text if "//" in text else f"//{text}")
    return parts.hostname or "", parts.port or 4317
