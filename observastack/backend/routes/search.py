"""Search, export, and the signals' own queries over logs and traces."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from observastack.backend.auth.principal import Principal, needs
from observastack.backend.auth.roles import Permission
from observastack.backend.routes.documented import errors, json
from observastack.backend.search.model import ExportQuery, Item, SearchQuery, SearchResult, SignalQuery, Stats
from observastack.backend.services import Services, services
from observastack.backend.wire import rfc3339

api = APIRouter()
Platform = Annotated[Services, Depends(services)]
Searcher = Annotated[Principal, Depends(needs(Permission.SEARCH))]
Exporter = Annotated[Principal, Depends(needs(Permission.EXPORT))]
Reader = Annotated[Principal, Depends(needs(Permission.SIGNALS))]


class Trace(BaseModel):
    trace_id: str
    spans: list[Item]


class TraceLogs(BaseModel):
    items: list[Item]


class TraceSummary(BaseModel):
    """service, name: of the root span (the earliest one when the root is not there). errors: spans with an error."""

    trace_id: str
    timestamp: str
    time_unix_nano: str
    service: str
    name: str
    duration_ns: int
    spans: int
    errors: int


class TraceSearchResult(BaseModel):
    items: list[TraceSummary]
    stats: Stats
    next_cursor: str | None
    partial: bool


@api.post("/search", tags=["search"], response_model=SearchResult, responses=errors(401, 403, 413, 422))
async def search(body: SearchQuery, principal: Searcher, platform: Platform) -> Response:
    """A page over logs, traces and metrics, newest first unless asked otherwise."""
    return json(await platform.search.page(principal.scope, body, body.type))


@api.post(
    "/search/export",
    tags=["search"],
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}, "description": "One item a line"},
        **errors(401, 403, 413, 422),
    },
)
async def export(body: ExportQuery, principal: Exporter, platform: Platform) -> Response:
    """Everything that matches, in ascending time, as NDJSON. The last line is `{"end":true,"count":N,"partial":false}`;
    a stream without it was cut short."""
    stream = await platform.export.start(principal.scope, body)
    return StreamingResponse(stream, media_type="application/x-ndjson")


@api.post("/logs/query", tags=["signals"], response_model=SearchResult, responses=errors(401, 403, 413, 422))
async def logs(body: SignalQuery, principal: Reader, platform: Platform) -> Response:
    """A page of log records."""
    return json(await platform.search.page(principal.scope, body, "logs"))


@api.post("/traces/search", tags=["signals"], response_model=TraceSearchResult, responses=errors(401, 403, 413, 422))
async def traces(body: SignalQuery, principal: Reader, platform: Platform) -> Response:
    """Traces with a span that matches, in the order of those spans. limit counts spans; a trace is listed once a page."""
    page = await platform.search.page(principal.scope, body, "traces")
    ids = list(dict.fromkeys(one["trace_id"] for one in page["items"]))
    summaries = await platform.traces.summaries(principal.scope, ids)
    items: list[dict[str, Any]] = []
    for trace_id in ids:
        if (one := summaries.get(trace_id)) is not None:
            items.append(
                {
                    "trace_id": trace_id,
                    "timestamp": rfc3339(one.start),
                    "time_unix_nano": str(one.start),
                    "service": one.service,
                    "name": one.name,
                    "duration_ns": one.duration,
                    "spans": one.spans,
                    "errors": one.errors,
                }
            )
    return json(
        {"items": items, "stats": page["stats"], "next_cursor": page["next_cursor"], "partial": page["partial"]}
    )


@api.get("/traces/{trace_id}", tags=["signals"], response_model=Trace, responses=errors(401, 403, 404, 422))
async def trace(trace_id: str, principal: Reader, platform: Platform) -> Response:
    """All spans of a trace in order of start."""
    return json({"trace_id": trace_id.lower(), "spans": await platform.traces.spans(principal.scope, trace_id)})


@api.get("/traces/{trace_id}/logs", tags=["signals"], response_model=TraceLogs, responses=errors(401, 403, 404, 422))
async def trace_logs(trace_id: str, principal: Reader, platform: Platform) -> Response:
    """Log records of a trace in order of time."""
    return json({"items": await platform.traces.logs(principal.scope, trace_id)})
