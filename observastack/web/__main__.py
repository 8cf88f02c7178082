"""`python -m observastack.web --config FILE`: serve the frontend and pass on the API until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from pathlib import Path

from observastack import config as configuration
from observastack.errors import EXIT_NOT_READY, PlatformError

SHUTDOWN_S = 3  # then streams without end are cut
CONNECTIONS = 8192  # each live stream is one here and one to the backend


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after an orderly end, 2 with a sentence on stderr when it cannot start as configured."""
    parser = argparse.ArgumentParser(prog="observastack.web", description="Serve the frontend, pass on the API.")
    parser.add_argument("--config", required=True, metavar="FILE", help="configuration of the platform (JSON)")
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="where to listen; web.host, where others ask, when not given"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("httpx", "httpcore", "uvicorn", "websockets"):  # a line per request; and URLs are nobody's business
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        return serve(configuration.load(options.config), options.listen)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY


def serve(config: configuration.Config, listen: str | None = None) -> int:
    """Blocks until the process is told to end. Raises PlatformError: port taken, frontend not built."""
    import uvicorn

    from observastack.http_protocol import BoundedProtocol
    from observastack.web.app import Web
    from observastack.web.site import Site

    site = Site(config.web.root or built())
    host = listen or config.web.host
    listener = _listen(host, config.web.port)
    server = uvicorn.Server(
        uvicorn.Config(
            Web(config, site), loop="uvloop", http=BoundedProtocol, ws="websockets-sansio", lifespan="on", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, limit_concurrency=CONNECTIONS,
            ws_max_size=1 << 20, ws_per_message_deflate=False, timeout_keep_alive=30,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
    )  # fmt: skip
    log = logging.getLogger("observastack.web")
    log.info("listening on %s:%d", host, config.web.port)
    if config.defects:
        log.warning("defects are on: %s", ", ".join(config.defects))
    # uvicorn hands the signal on to the previous handler when it has shut down: an orderly stop is exit code 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    return 0 if server.started else EXIT_NOT_READY


def built() -> Path:
    """Where `make frontend` puts it."""
    return Path(configuration.__file__).parent / "frontend" / "dist"


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PlatformError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PlatformError(
            f"cannot listen on {host}:{port}: {error.strerror}", remedy="stop what holds the port or change web.port"
        ) from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
