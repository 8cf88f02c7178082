"""The application: routes, middleware and services put together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from observastack import defects
from observastack.backend import errors
from observastack.backend.middleware import RequestScope
from observastack.backend.openapi import document as openapi
from observastack.backend.openapi.document import operation_id
from observastack.backend.routes import (
    admin,
    alerts,
    auth,
    health,
    insights,
    meta,
    metrics,
    search,
    silences,
    stream,
    test_data,
)
from observastack.backend.services import build
from observastack.config import Config

PREFIX = "/api/v1"
VERSION = "0.1.0"


def create_app(config: Config) -> FastAPI:
    """Raises ConfigError when a file that the configuration names is missing or wrong."""
    defects.configure(config)
    services = build(config)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await services.open()
        try:
            yield
        finally:
            await services.close()

    app = FastAPI(
        title="ObservaStack",
        version=VERSION,
        description="Search, metrics and traces of many tenants. Exactly one tenant applies: that of the token.",
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        docs_url=None,  # the page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.services = services
    errors.install(app)
    origins = ["*"] if defects.active("cors_star") else list(config.cors_origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=[
                "X-Request-ID",
                "Retry-After",
                "X-RateLimit-Limit",
                "X-RateLimit-Remaining",
                "X-RateLimit-Reset",
            ],
        )
    app.add_middleware(RequestScope, telemetry=services.telemetry)
    for area in (health, auth, meta, search, metrics, admin, insights, silences, alerts, stream):
        app.include_router(area.api, prefix=PREFIX)
    if config.test_data_api and not defects.is_production(config.environment):
        app.include_router(test_data.api, prefix=PREFIX)
    app.include_router(health.root)
    app.include_router(auth.root)
    openapi.install(app)
    return app
