"""What the platform's processes share about being a server: the port, and the orderly end."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

from observastack.errors import EXIT_NOT_READY, PlatformError

if TYPE_CHECKING:
    import uvicorn


def bind(host: str, port: int, setting: str, *, backlog: int | None = None) -> socket.socket:
    """A socket on that address, which listens already when it has a backlog: who connects meanwhile waits for a moment.

    setting: the configuration key of the port. Raises PlatformError when the address cannot be had.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if backlog is not None:
            listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise PlatformError(
            f"cannot listen on {host}:{port}: {error.strerror}", remedy=f"stop what holds the port or change {setting}"
        ) from error
    return listener


def run(server: uvicorn.Server, listener: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT; the exit code, which is 0 after an orderly end."""
    # uvicorn hands the signal on to the previous handler when it has shut down, which would be death by that signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    return 0 if server.started else EXIT_NOT_READY
