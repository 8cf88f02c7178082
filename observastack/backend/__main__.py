"""`python -m observastack.backend --config FILE`: serve until SIGTERM, then finish what is being answered."""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402 - the clock starts before the imports: they are most of the start-up
import logging  # noqa: E402
import sys  # noqa: E402

from observastack import config as configuration  # noqa: E402
from observastack import serving  # noqa: E402
from observastack.errors import EXIT_NOT_READY, PlatformError  # noqa: E402

SHUTDOWN_S = 5
WS_MAX_SIZE = 16 << 10


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after an orderly end, 2 with a sentence on stderr when it cannot start as configured."""
    parser = argparse.ArgumentParser(prog="observastack.backend", description="Serve the platform's API.")
    parser.add_argument("--config", required=True, metavar="FILE", help="configuration of the platform (JSON)")
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="where to listen; backend.host, where others ask, when not given"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every question to a store, with whose trace it is
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # a server that is down is told once per request already
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # a line for every stream, with what it looks for
    try:
        config = configuration.load(options.config)
        serve(config, options.listen)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY
    return 0


def serve(config: configuration.Config, listen: str | None = None) -> None:
    """Blocks until the process is told to end. Raises PlatformError: port taken, key file missing."""
    import uvicorn

    from observastack.backend.app import create_app
    from observastack.backend.memory import give_back_large_blocks
    from observastack.http_protocol import BoundedProtocol
    from observastack.tracing import traced

    log = logging.getLogger("observastack.backend")
    give_back_large_blocks()
    app = traced(create_app(config), config, "observastack-backend", log.warning)
    host = listen or config.backend.host
    listener = serving.bind(host, config.backend.port, "backend.port")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=BoundedProtocol,
            ws="websockets-sansio",
            ws_max_size=WS_MAX_SIZE,
            ws_per_message_deflate=False,  # a compressor's window for each client is more than all else that it needs
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
    )
    milliseconds = (time.perf_counter() - STARTED) * 1000
    log.info("listening on %s:%d after %.0f ms", host, config.backend.port, milliseconds)
    if config.defects:
        log.warning("defects are on: %s", ", ".join(config.defects))
    server.run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
