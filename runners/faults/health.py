"""Does a service answer? Four ways to ask, all from the standard library."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from runners.faults.engine import Engine, EngineError

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # PostgreSQL protocol: SSLRequest; the answer is one byte


@dataclass(frozen=True)
class Answer:
    """answered: the process served something, be it an error. healthy: it said that it is well."""

    answered: bool
    healthy: bool
    detail: str


def check(health: dict[str, Any], timeout_s: float = 1.0) -> Answer:
    """Ask once. health: `{type: http, url}`, `{type: tcp|postgres|redis, host, port}`, or `{type: container, engine, env_id,
    service}`, which is asked of the container engine."""
    kind = health.get("type")
    try:
        if kind == "http":
            return _http(str(health["url"]), timeout_s)
        if kind == "container":
            return _container(health, timeout_s)
        with socket.create_connection((str(health.get("host", "127.0.0.1")), int(health["port"])), timeout_s) as conn:
            conn.settimeout(timeout_s)
            if kind == "postgres":
                conn.sendall(_SSL_REQUEST)
                reply = conn.recv(1)
                return Answer(bool(reply), reply in (b"S", b"N"), f"postgres {reply!r}")
            if kind == "redis":
                conn.sendall(b"PING\r\n")
                reply = conn.recv(64)
                # -NOAUTH is an answer of a server that is well; -LOADING is not.
                return Answer(bool(reply), reply.startswith((b"+PONG", b"-NOAUTH")), f"redis {reply[:24]!r}")
            return Answer(True, True, "connected")
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, False, str(error) or type(error).__name__)


def _container(health: dict[str, Any], timeout_s: float) -> Answer:
    engine = Engine(str(health["engine"]), timeout_s=timeout_s)
    try:
        container = engine.find(str(health["env_id"]), str(health["service"]))
        found = engine.inspect(container) if container else None
    except EngineError as error:
        return Answer(False, False, str(error))
    if found is None:
        return Answer(False, False, "there is no container")
    return Answer(found.serving, found.serving, f"container {found.status}, {found.health or 'no health check'}")


def _http(url: str, timeout_s: float) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
        return Answer(True, status < 400, f"HTTP {status}")
    finally:
        connection.close()


def describe(health: dict[str, Any], service: dict[str, Any]) -> dict[str, Any]:
    """The check of a service of state.json in the form that `check` takes; falls back to a TCP connect to its port.

    health: `{kind: http, path}` beside the service's url, or with an `url` of its own; `{kind: postgres|redis}`.
    Raises ValueError when the service has neither a check nor a port.
    """
    kind = str(health.get("kind") or health.get("type") or "")
    address = urlsplit(str(service.get("url") or ""))
    port = health.get("port") or service.get("port") or address.port
    host = str(health.get("host") or address.hostname or "127.0.0.1")
    if url := health.get("url"):
        return {"type": "http", "url": str(url)}
    if not port:
        raise ValueError(f"service {service.get('name')} has neither a health check nor a port")
    if kind == "http":
        return {"type": "http", "url": f"http://{host}:{port}{health.get('path', '/')}"}
    if kind not in ("postgres", "redis"):
        name = str(service.get("name"))
        kind = name if name in ("postgres", "redis") and not kind else "tcp"
    return {"type": kind, "host": host, "port": int(port)}
