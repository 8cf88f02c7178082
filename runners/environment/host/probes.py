"""Is this service ready? Asked the way its clients ask: an HTTP readiness page, a query, a PING. Never raises."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 2.0


def probe(health: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> str | None:
    """None when the service is ready, else why not, in one short sentence. health: `kind` and what that kind needs."""
    try:
        return _KINDS[health["kind"]](health, timeout_s)
    except ConnectionRefusedError:
        return "nothing listens on its port"
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def dependencies(health: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> dict[str, str | None] | None:
    """What a readiness page tells of what its service depends on: name → why it is not ready, None when it is.

    Empty when it lists nothing; None when it does not answer. Never raises.
    """
    if health.get("kind") != "http":
        return {}
    try:
        _, body = _get(health["url"], timeout_s)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    try:
        return {item["name"]: None if _is_ready(item) else item.get("reason") or "not ready" for item in _listed(body)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _http(health: Mapping[str, Any], timeout_s: float) -> str | None:
    status, body = _get(health["url"], timeout_s)
    return None if status == 200 else f"answers {status}{_unready(body)}"


def _get(address: str, timeout_s: float) -> tuple[int, bytes]:
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout_s)
    try:
        connection.request("GET", url.path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(65536)
    finally:
        connection.close()


def _listed(body: bytes) -> list[dict[str, Any]]:
    """The dependencies of a readiness answer, given as a list or by name."""
    listed = json.loads(body)["dependencies"]
    return listed if isinstance(listed, list) else [{"name": name, **state} for name, state in listed.items()]


def _is_ready(item: Mapping[str, Any]) -> bool:
    return bool(item.get("ready", item.get("status") in ("up", "ok")))


def _unready(body: bytes) -> str:
    """The dependencies that a readiness answer calls unready, if it lists any."""
    try:
        bad = [item["name"] for item in _listed(body) if not _is_ready(item)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f": {', '.join(sorted(bad))} not ready" if bad else ""


def _postgres(health: Mapping[str, Any], timeout_s: float) -> str | None:
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=health["host"], port=health["port"], user=health["user"], dbname=health["database"],
            password=_secret(health), connect_timeout=max(2, round(timeout_s)), application_name="testbed",
            options=f"-c statement_timeout={round(timeout_s * 1000)}",
        )  # fmt: skip
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        finally:
            connection.close()
    except psycopg2.Error as error:
        text = " ".join(str(error).split()) or type(error).__name__
        return "nothing listens on its port" if "Connection refused" in text else text
    return None


def _redis(health: Mapping[str, Any], timeout_s: float) -> str | None:
    password = _secret(health).encode()
    request = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n" % (len(password), password)
    with socket.create_connection((health["host"], health["port"]), timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        while answer.count(b"\r\n") < 2:
            part = connection.recv(4096)
            if not part:
                return "it closed the connection"
            answer += part
    return None if answer.startswith(b"+OK\r\n+PONG") else answer.decode("ascii", "replace").splitlines()[0]


def _secret(health: Mapping[str, Any]) -> str:
    return Path(health["password_file"]).read_text().strip()


_KINDS = {"http": _http, "postgres": _postgres, "redis": _redis}
