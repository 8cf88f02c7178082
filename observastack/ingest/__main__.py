"""`python -m observastack.ingest --config FILE`."""

from __future__ import annotations

import argparse
import sys
import time

from observastack import config as configuration
from observastack import serving
from observastack.errors import EXIT_NOT_READY, PlatformError


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 2 with a sentence on stderr when it cannot start."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(prog="observastack.ingest", description="OTLP/HTTP write gateway.")
    parser.add_argument("--config", required=True, metavar="FILE", help="configuration of the platform (JSON)")
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="where to listen; ingest.host, where others ask, when not given"
    )
    options = parser.parse_args(arguments)
    try:
        config = configuration.load(options.config)
        host = options.listen or config.ingest.host
        # Listen before the imports: who connects meanwhile waits for a moment instead of being refused.
        listener = serving.bind(host, config.ingest.port, "ingest.port", backlog=1024)
        from observastack.ingest.app import Gateway

        gateway = Gateway(config)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY
    import uvicorn

    from observastack.http_protocol import bounded
    from observastack.ingest.log import log
    from observastack.tracing import traced

    app = traced(gateway, config, "observastack-ingest", lambda why: log("tracing", warning=why))
    server = uvicorn.Server(
        uvicorn.Config(
            app, loop="uvloop", http=bounded(config.ingest.head_timeout_s), ws="none", lifespan="on", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, timeout_keep_alive=60,
            timeout_graceful_shutdown=max(1, round(config.ingest.shutdown_s)),
        )
    )  # fmt: skip
    if config.defects:
        log("defects.on", defects=list(config.defects))
    log(
        "ingest.starting",
        host=host,
        port=config.ingest.port,
        since_main_ms=round((time.monotonic() - started) * 1000),
    )
    return serving.run(server, listener)


if __name__ == "__main__":
    sys.exit(main())
