"""Completes the OpenAPI document: errors that any operation of a kind can answer, headers, tags, examples.

Done in one place and not at each route, so that an operation cannot be forgotten: a test walks all of them.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from observastack.backend.errors import CODES
from observastack.backend.routes.documented import MEANINGS, errors

PUBLIC = frozenset(
    {
        "get_health_live",
        "get_health_ready",
        "get_metrics",
        "get_auth_auth_info",
        "get_well_known_jwks_json",
        "post_auth_login",
        "post_auth_refresh",
    }
)
"""Operations that need no token."""
TAGS = {
    "health": "Whether the platform lives and can serve, and what it measures about itself.",
    "auth": "Logging in, renewing, logging out; who the caller is; keys that verify tokens.",
    "meta": "What this deployment can do.",
    "search": "Over all signals: pages, streams, exports, counts, correlation, the own history.",
    "signals": "Each signal's own queries: PromQL, logs, traces.",
    "alerts": "Alerts taken in, listed and acted on; silences.",
    "insights": "Utilisation, costs, anomalies and trends, computed from what is stored.",
    "admin": "Tenants, users, settings, the audit log; a tenant_admin inside the own tenant, an admin across all.",
    "test data": "Known data and injected trouble for tests; only where the configuration allows it.",
}
_REQUEST_ID = {"description": "Finds the request in the log; a sent one is kept", "schema": {"type": "string"}}
_LIMITS = {
    "X-RateLimit-Limit": "Requests a minute that the tenant has",
    "X-RateLimit-Remaining": "What is left of them",
    "X-RateLimit-Reset": "Seconds until the minute ends",
}
_NO_STORE = frozenset({"get_health_live", "get_metrics", "get_well_known_jwks_json", "get_auth_auth_info"})
"""Answers that no dependency is asked for."""


def operation_id(route: APIRoute) -> str:
    """From method and path alone, so that no renaming in the code changes it: `get_alerts_by_alert_id`."""
    path = re.sub(r"{(\w+)}", r"by_\1", route.path_format.removeprefix("/api/v1"))
    return "_".join([min(route.methods or ["any"]).lower(), *re.findall(r"\w+", path)])


def install(app: FastAPI) -> None:
    """The application serves the completed document."""
    derive = functools.partial(get_openapi, title=app.title, version=app.version, description=app.description)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(derive(routes=app.routes))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # the way that FastAPI documents


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, changed in place."""
    shown: dict[str, Any] = orjson.loads(files("observastack.backend.openapi").joinpath("examples.json").read_bytes())
    used = {tag for operations in document["paths"].values() for one in operations.values() for tag in one["tags"]}
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete(operation, shown.get(operation["operationId"], {}))
    document["components"]["schemas"].pop("HTTPValidationError", None)
    document["components"]["schemas"].pop("ValidationError", None)
    return document


def _complete(operation: dict[str, Any], shown: dict[str, Any]) -> None:
    name, responses = operation["operationId"], operation["responses"]
    for status in _statuses(operation):
        if str(status) not in responses or "HTTPValidationError" in str(responses[str(status)]):
            responses[str(status)] = _error(status)
    if "request" in shown and "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["example"] = shown["request"]
    for status, response in responses.items():
        response.setdefault("headers", {})["X-Request-ID"] = _REQUEST_ID
        if name not in PUBLIC and status != "503":
            for header, text in _LIMITS.items():
                response["headers"][header] = {"description": text, "schema": {"type": "integer"}}
        if status == "429":
            response["headers"]["Retry-After"] = {"description": "Seconds", "schema": {"type": "integer"}}
        if status.startswith("2") and "answer" in shown:
            for content in response.get("content", {}).values():
                content["example"] = shown["answer"]
        if status in ("401",):
            response["headers"]["WWW-Authenticate"] = {"schema": {"type": "string"}}
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(operation: dict[str, Any]) -> list[int]:
    """Errors that come from outside the route's own code."""
    name = operation["operationId"]
    found = [] if name in _NO_STORE else [503]
    if name not in PUBLIC:
        found += [401, 403, 429]  # 403 also for a suspended tenant, whatever the operation
    if name == "post_auth_login":
        found.append(429)
    if "requestBody" in operation:
        found += [400, 408, 413, 422]
    if operation.get("parameters"):
        found.append(422)
    return found


def _error(status: int) -> dict[str, Any]:
    """As `documented.errors` has it, with the model resolved."""
    described: dict[str, Any] = dict(errors(status)[status])
    described.pop("model")
    content = described["content"]["application/json"]
    schema = {"$ref": "#/components/schemas/ErrorEnvelope"}
    assert CODES[status] and MEANINGS[status]
    return {**described, "content": {"application/json": {"schema": schema, **content}}}
