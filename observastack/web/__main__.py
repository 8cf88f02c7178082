"""`python -m observastack.web --config FILE`: serve the frontend and pass on the API until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from observastack import config as configuration
from observastack import serving
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
    listener = serving.bind(host, config.web.port, "web.port", backlog=1024)
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
    return serving.run(server, listener)


def built() -> Path:
    """Where `make frontend` puts it."""
    return Path(configuration.__file__).parent / "frontend" / "dist"


if __name__ == "__main__":
    sys.exit(main())
