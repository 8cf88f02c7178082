"""Talk to supervisord over loopback HTTP (its XML-RPC): which processes there are, start, stop, apply a new configuration.

Loopback with a generated password, not a UNIX socket: a socket's path may have 107 bytes, a home may have more.
"""

from __future__ import annotations

import base64
import http.client
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

# supervisor.states.ProcessStates
STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL = 0, 10, 20, 30, 40, 100, 200
ALIVE = (STARTING, RUNNING, STOPPING)
ALREADY_STARTED, NOT_RUNNING = 60, 70  # supervisor.xmlrpc.Faults


class Unreachable(Exception):
    """No supervisord answers there."""


@dataclass(frozen=True)
class Process:
    """One program as supervisord sees it. pid: 0 when it does not run; started: Unix seconds."""

    name: str
    code: int
    pid: int
    started: float
    error: str

    @property
    def alive(self) -> bool:
        return self.code in ALIVE


class _Transport(xmlrpc.client.Transport):
    def __init__(self, credentials: str, timeout_s: float) -> None:
        super().__init__()
        token = base64.b64encode(credentials.encode()).decode()
        self._extra = ("Authorization", f"Basic {token}")
        self._timeout_s = timeout_s

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if self._connection and host == self._connection[0] and self._connection[1] is not None:
            return self._connection[1]
        self._connection = host, http.client.HTTPConnection(str(host), timeout=self._timeout_s)
        return self._connection[1]

    def send_headers(self, connection: http.client.HTTPConnection, headers: Any) -> None:
        super().send_headers(connection, [*headers, self._extra])


class Control:
    """supervisord of one environment, as state.json names it. Every method raises Unreachable."""

    def __init__(self, facts: Mapping[str, Any], *, timeout_s: float = 5.0) -> None:
        """facts: `{url, username, password_file}`."""
        try:
            password = Path(facts["password_file"]).read_text().strip()
        except OSError as error:
            raise Unreachable(f"its password cannot be read: {error.strerror}") from None
        transport = _Transport(f"{facts['username']}:{password}", timeout_s)
        self._rpc = cast(Any, xmlrpc.client.ServerProxy(f"{facts['url']}/RPC2", transport=transport)).supervisor

    def pid(self) -> int:
        return int(self._call("getPID"))

    def processes(self) -> dict[str, Process]:
        """By program name."""
        return {
            item["name"]: Process(
                item["name"], int(item["state"]), int(item["pid"]), float(item["start"]), str(item["spawnerr"])
            )
            for item in self._call("getAllProcessInfo")
        }

    def start(self, name: str) -> bool:
        """Start without waiting; False when it was running already."""
        return self._changes(ALREADY_STARTED, "startProcess", name, False)

    def stop(self, name: str) -> bool:
        """Stop and wait until it ended (its own stop signal, then KILL); False when it was not running."""
        return self._changes(NOT_RUNNING, "stopProcess", name, True)

    def apply(self) -> list[str]:
        """Read the configuration again; stop and replace what changed, forget what went. Returns their names."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in [*changed, *removed]:
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._call("addProcessGroup", name)
        return [*added, *changed, *removed]

    def shutdown(self) -> None:
        self._call("shutdown")

    def _changes(self, nothing_to_do: int, method: str, *arguments: Any) -> bool:
        """False when supervisord answers with that fault code: things are so already."""
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == nothing_to_do:
                return False
            raise
        return True

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._rpc, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            reason = error.errmsg if isinstance(error, xmlrpc.client.ProtocolError) else str(error)
            raise Unreachable(reason or type(error).__name__) from None
