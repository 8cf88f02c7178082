"""A container engine as its HTTP interface shows it (docs.docker.com/reference/api/engine), over its socket.

With the standard library alone: the watchdog, and hosts that have nothing else, use this. The paths carry no version, so
that the engine answers with its own; what is used here has been the same since 1.41 (engine 20.10).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from runners.faults.supervisor import SupervisorError

SOCKET = "unix:///var/run/docker.sock"
ENV_LABEL, SERVICE_LABEL = "testbed.env_id", "com.docker.compose.service"
NOT_FOUND, NOT_MODIFIED = 404, 304
_LIMIT = 4 << 20


class EngineError(SupervisorError):
    """The engine cannot be reached, or refuses. code: the status of its answer, None when there was none."""


@dataclass(frozen=True)
class Found:
    """A container of now. status: created running paused restarting removing exited dead. health: healthy unhealthy starting,
    None when its image has no health check. exit_code: of a main process that has ended. pid: on the engine's host, 0 without."""

    id: str
    env_id: str
    service: str
    status: str
    health: str | None
    exit_code: int
    pid: int
    started_at: str
    finished_at: str

    @property
    def running(self) -> bool:
        """Does its main process exist? It does in a paused one, too."""
        return self.status in ("running", "paused")

    @property
    def serving(self) -> bool:
        """Does the engine see nothing wrong with it?"""
        return self.status == "running" and self.health in (None, "healthy")


class Engine:
    """One engine. Every call opens its own connection and raises EngineError. timeout_s: for one call."""

    def __init__(self, url: str = SOCKET, *, timeout_s: float = 15.0) -> None:
        self._url, self._timeout = url, timeout_s

    def ping(self) -> None:
        self._call("GET", "/_ping", raw=True)

    def find(self, env_id: str, service: str) -> str | None:
        """The id of the container that carries this service of this environment; None when there is none."""
        labels = json.dumps({"label": [f"{ENV_LABEL}={env_id}", f"{SERVICE_LABEL}={service}"]})
        found = self._call("GET", "/containers/json?" + urlencode({"all": "true", "filters": labels}))
        # A one-off container (`docker compose run`) carries the service's name, too.
        own = [item for item in found or [] if item["Labels"].get("com.docker.compose.oneoff") != "True"]
        return str(own[0]["Id"]) if own else None

    def inspect(self, container: str) -> Found:
        """Raises EngineError with code NOT_FOUND when there is no such container."""
        item = self._call("GET", f"/containers/{quote(container)}/json")
        state, labels = item["State"], item["Config"].get("Labels") or {}
        return Found(
            str(item["Id"]), str(labels.get(ENV_LABEL, "")), str(labels.get(SERVICE_LABEL, "")), str(state["Status"]),
            (state.get("Health") or {}).get("Status"), int(state.get("ExitCode") or 0), int(state.get("Pid") or 0),
            str(state.get("StartedAt")), str(state.get("FinishedAt")),
        )  # fmt: skip

    def do(self, container: str, what: str, **query: Any) -> None:
        """kill, stop, start, restart, pause or unpause; that it is so already is no error."""
        try:
            self._call("POST", f"/containers/{quote(container)}/{what}" + (f"?{urlencode(query)}" if query else ""))
        except EngineError as error:
            # Which code says so differs by order and version: 409, or 500 for what is not paused.
            if error.code not in (None, NOT_FOUND) and self._is_so(container, what):
                return
            raise

    def _is_so(self, container: str, what: str) -> bool:
        status = self.inspect(container).status
        wanted = {"kill": ("exited", "dead"), "pause": ("paused",), "unpause": ("running", "exited", "created", "dead")}
        return status in wanted.get(what, ())

    def _call(self, method: str, path: str, *, raw: bool = False) -> Any:
        connection = self._connection()
        try:
            connection.request(method, path, headers={"Host": "engine", "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(_LIMIT)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineError(f"engine at {self._url}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise EngineError(f"engine: {method} {urlsplit(path).path}: {_said(body)}", answer.status)
        if raw or answer.status in (204, NOT_MODIFIED) or not body:
            return None
        try:
            return json.loads(body)
        except ValueError:
            raise EngineError(f"engine: {method} {urlsplit(path).path}: its answer is not JSON") from None

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._url)
        if parts.scheme == "unix":
            return _SocketConnection(parts.path, self._timeout)
        if parts.scheme in ("tcp", "http") and parts.hostname:
            return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=self._timeout)
        raise EngineError(f"engine at {self._url}: only unix:// and tcp:// without TLS can be spoken to")


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def address(environ: dict[str, str] | None = None) -> str:
    """Where the engine is: DOCKER_HOST, else its usual socket."""
    return (os.environ if environ is None else environ).get("DOCKER_HOST") or SOCKET


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace") or "refused"
