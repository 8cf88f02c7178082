"""A supervisord as its XML-RPC interface shows it (supervisord.org/api.html), over a Unix socket or loopback TCP."""

from __future__ import annotations

import base64
import http.client
import os
import shlex
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BAD_NAME, ALREADY_STARTED, NOT_RUNNING = 10, 60, 70  # supervisor.xmlrpc.Faults
LIVING = ("STARTING", "RUNNING", "BACKOFF")


class SupervisorError(Exception):
    """The supervisor cannot be reached, refuses us, or answers with a fault. code: its fault code or None."""

    def __init__(self, what: str, code: int | None = None) -> None:
        super().__init__(what)
        self.code = code

    @property
    def unanswered(self) -> bool:
        """Was there no answer at all?"""
        return self.code is None


@dataclass(frozen=True)
class Program:
    """state: STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN; pid: 0 when there is no process."""

    name: str
    state: str
    pid: int


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        # sun_path holds 107 bytes: go through the folder's descriptor, so that a long home does not matter.
        folder = os.open(os.path.dirname(self._path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(self._path)}")  # noqa: PTH119
        finally:
            os.close(folder)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, url: str, authorization: str | None, timeout: float) -> None:
        super().__init__(headers=[("Authorization", authorization)] if authorization else [])
        self._url, self._timeout = urlsplit(url), timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002  (one address only)
        if self._url.scheme == "unix":
            return _UnixConnection(self._url.path, self._timeout)
        return http.client.HTTPConnection(self._url.hostname or "127.0.0.1", self._url.port, timeout=self._timeout)


class Supervisor:
    """One supervisord. Every call opens its own connection and raises SupervisorError. timeout_s: for one call."""

    def __init__(self, url: str, username: str = "", password_file: str = "", *, timeout_s: float = 15.0) -> None:
        self._url, self._username, self._password_file, self._timeout = url, username, password_file, timeout_s

    def call(self, method: str, *arguments: Any) -> Any:
        """Any method, such as `supervisor.getPID`."""
        authorization = None
        try:
            if self._username:
                password = Path(self._password_file).read_text().strip()
                token = base64.b64encode(f"{self._username}:{password}".encode()).decode()
                authorization = f"Basic {token}"
            transport = _Transport(self._url, authorization, self._timeout)
            try:
                proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport)
                return getattr(proxy, method)(*arguments)
            finally:
                transport.close()
        except xmlrpc.client.Fault as fault:
            raise SupervisorError(f"{method}: {fault.faultString}", fault.faultCode) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ValueError) as error:
            raise SupervisorError(f"supervisor at {self._url}: {error}") from None

    def pid(self) -> int:
        """The pid of supervisord itself."""
        return int(self.call("supervisor.getPID"))

    def program(self, name: str) -> Program:
        info = self.call("supervisor.getProcessInfo", name)
        return Program(name, str(info["statename"]), int(info["pid"]))

    def command(self, name: str) -> str | None:
        """The executable that a start of this program would run; None when the supervisor does not know it."""
        for item in self.call("supervisor.getAllConfigInfo"):
            if name in (item["name"], f"{item['group']}:{item['name']}"):
                words = shlex.split(str(item["command"]))
                return words[0] if words else None
        return None

    def stop(self, name: str) -> None:
        """Stop and wait until it has stopped; that it does not run is no error."""
        self._tolerate(NOT_RUNNING, "supervisor.stopProcess", name, True)

    def start(self, name: str) -> None:
        """Ask for a start and return at once; that it runs already is no error."""
        self._tolerate(ALREADY_STARTED, "supervisor.startProcess", name, False)

    def _tolerate(self, code: int, *call: Any) -> None:
        try:
            self.call(*call)
        except SupervisorError as error:
            if error.code != code:
                raise
