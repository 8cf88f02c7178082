"""What the OpenAPI document says about errors, and how answers become JSON."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel

from observastack.backend.errors import CODES

MEANINGS = {
    400: "The body or query cannot be understood",
    401: "No valid token",
    403: "The caller's roles do not allow this",
    404: "No such object, or not the caller's",
    408: "The body did not arrive in time",
    409: "The state of the object does not allow this",
    413: "The body is too large",
    422: "The request does not have the documented form",
    429: "Too many requests; Retry-After says when to come back",
    501: "Valid, but not supported by this store",
    503: "A dependency does not answer",
}


class ErrorDetail(BaseModel):
    code: str
    message: str
    request_id: str
    details: list[dict[str, Any]]


class ErrorEnvelope(BaseModel):
    """Every error of the API."""

    error: ErrorDetail


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Error answers of an operation, with an example each; 503 can happen to every one that needs a dependency."""
    return {
        status: {
            "model": ErrorEnvelope,
            "description": MEANINGS[status],
            "content": {
                "application/json": {
                    "example": {
                        "error": {
                            "code": CODES[status],
                            "message": MEANINGS[status].lower(),
                            "request_id": "0f8fad5bd9cb469fa16570867728950e",
                            "details": [],
                        }
                    }
                }
            },
        }
        for status in sorted({*statuses, 503})
    }


def json(document: Any, status: int = 200) -> Response:
    """orjson passes stored JSON on as it is; FastAPI's own encoder would copy every item first."""
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")
