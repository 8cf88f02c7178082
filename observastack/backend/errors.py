"""The one error envelope of the API: {"error": {code, message, request_id, details}}. No internals in messages."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
import psycopg_pool
import redis.exceptions
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from observastack import defects

log = logging.getLogger("observastack.backend")

CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    501: "not_supported",
    503: "unavailable",
}


class ApiError(Exception):
    """An answer that is not a result. status: HTTP status; message: one sentence for the caller."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.details = status, message, list(details)
        self.code = code or CODES.get(status, "error")
        self.headers = dict(headers or {})


def unauthenticated(message: str = "a valid bearer token is required") -> ApiError:
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})


def not_found() -> ApiError:
    """The same body for what does not exist and for what belongs to somebody else."""
    return ApiError(404, "no such object")


def unavailable(dependency: str) -> ApiError:
    return ApiError(
        503,
        f"{dependency} is not available",
        details=[{"dependency": dependency}],
        headers={"Retry-After": "1"},
    )


def envelope(error: ApiError, request_id: str) -> bytes:
    """The JSON body of an error."""
    document = {"code": error.code, "message": error.message, "request_id": request_id, "details": error.details}
    return orjson.dumps({"error": document})


def response(error: ApiError, request_id: str) -> Response:
    return Response(
        envelope(error, request_id), status_code=error.status, headers=error.headers, media_type="application/json"
    )


def as_api_error(error: Exception) -> ApiError:
    """What the caller is told about any exception; unknown ones are logged with their traceback and become a 500."""
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return ApiError(
                422,
                "the request does not have the documented form",
                details=[
                    {"field": ".".join(str(part) for part in one["loc"]), "message": one["msg"], "type": one["type"]}
                    for one in error.errors()
                ],
            )
        case HTTPException():
            return ApiError(error.status_code, _sentence(error), headers=error.headers)
        case psycopg.errors.QueryCanceled():
            return unavailable("the store (the query took too long)")
        case psycopg.OperationalError() | TimeoutError() | psycopg_pool.PoolTimeout() | psycopg_pool.PoolClosed():
            log.warning("postgres: %s", _first_line(error))
            return unavailable("postgres")
        case UnicodeEncodeError():
            return ApiError(422, "a text of this request is not Unicode")
        case psycopg.DataError():
            log.info("postgres refuses a value: %s (SQLSTATE %s)", type(error).__name__, error.sqlstate)
            return ApiError(422, "the store cannot use a value of this request")
        case redis.exceptions.RedisError():
            log.warning("redis: %s", error)
            return unavailable("redis")
        case _:
            log.error("unhandled error", exc_info=error)
            return ApiError(500, "something went wrong here; the request id finds it in the log")


def install(app: FastAPI) -> None:
    """Every error leaves as the envelope; what no handler sees is caught by the outermost middleware."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = as_api_error(error)
        if defects.active("error_leak"):
            problem.message += f" ({type(error).__module__}.{type(error).__qualname__}: {error})"
        return response(problem, request_id(request))

    for kind in (
        ApiError,
        RequestValidationError,
        HTTPException,
        psycopg.Error,
        TimeoutError,
        UnicodeEncodeError,
        psycopg_pool.PoolTimeout,
        psycopg_pool.PoolClosed,
        redis.exceptions.RedisError,
    ):
        app.add_exception_handler(kind, handle)


def request_id(request: Request) -> str:
    return str(request.scope.get("observastack.request_id", ""))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _sentence(error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return "no such object"
        case 405:
            return "this method does not exist here"
        case 400:
            return "the body could not be read"
        case _:
            return str(error.detail)
