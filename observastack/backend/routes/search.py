"""Search, export, and the signals' own queries over logs and traces."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from observastack.backend.auth.principal import Principal, needs
from observastack.backend.auth.roles import Permission
from observastack.backend.errors import request_id
from observastack.backend.routes.documented import errors, json
from observastack.backend.search.history import Past, user_of
from observastack.backend.search.model import (
    Aggregate,
    AggregateQuery,
    CorrelateQuery,
    Correlation,
    ExportQuery,
    Item,
    SearchHistory,
    SearchQuery,
    SearchResult,
    SignalQuery,
    Stats,
)
from observastack.backend.search.stream import matched_of
from observastack.backend.services import Services, services
from observastack.backend.wire import rfc3339

api = APIRouter()
Platform = Annotated[Services, Depends(services)]
Searcher = Annotated[Principal, Depends(needs(Permission.SEARCH))]
Exporter = Annotated[Principal, Depends(needs(Permission.EXPORT))]
Reader = Annotated[Principal, Depends(needs(Permission.SIGNALS))]
EVENT = {
    "type": "object",
    "description": "One event of the stream; data is JSON",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["source", "items", "end", "error"]},
        "data": {"type": "string"},
    },
}


class Trace(BaseModel):
    """partial: the trace has more spans than are given out."""

    trace_id: str
    spans: list[Item]
    partial: bool


class TraceLogs(BaseModel):
    """partial: the trace has more records than are given out."""

    items: list[Item]
    partial: bool


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
    page = await platform.search.page(principal.scope, body, body.type)
    _remember(platform, principal, body, len(page["items"]), page["stats"]["latency_ms"])
    return json(page)


@api.post(
    "/search/stream",
    tags=["search"],
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "Events as they come"},
        **errors(401, 403, 413, 422),
    },
)
async def search_stream(body: SearchQuery, request: Request, principal: Searcher, platform: Platform) -> Response:
    """A page of each asked source as it answers. Events: `source` (its status), `items`, and at the end `end` (the result
    without its items) or `error` (the envelope). `limit` applies to each source."""
    events = await platform.stream.start(principal.scope, body, request_id(request))

    async def sent() -> AsyncIterator[bytes]:
        began = time.perf_counter()
        async for event in events:
            if (matched := matched_of(event)) is not None:
                _remember(platform, principal, body, matched, round((time.perf_counter() - began) * 1000, 3))
            yield event

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(sent(), media_type="text/event-stream", headers=headers)


@api.post("/search/aggregate", tags=["search"], response_model=Aggregate, responses=errors(401, 403, 413, 422))
async def search_aggregate(body: AggregateQuery, principal: Searcher, platform: Platform) -> Response:
    """How many items there are over time, and of which services, severities and other values."""
    return json(await platform.aggregation.counts(principal.scope, body))


@api.post("/search/correlate", tags=["search"], response_model=Correlation, responses=errors(401, 403, 413, 422))
async def search_correlate(body: CorrelateQuery, principal: Searcher, platform: Platform) -> Response:
    """What belongs to an item: all of its trace (kind trace_id), and what its service did around that time
    (kind service_window)."""
    return json(await platform.correlator.find(principal.scope, body))


@api.get("/search/history", tags=["search"], response_model=SearchHistory, responses=errors(401, 403, 422))
async def search_history(
    principal: Searcher,
    platform: Platform,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """The caller's own searches, newest first; the last 200 are kept."""
    return json(await platform.history.of(principal.tenant, user_of(principal.claims), limit, cursor))


@api.delete("/search/history", tags=["search"], status_code=204, response_class=Response, responses=errors(401, 403))
async def search_history_clear(principal: Searcher, platform: Platform) -> Response:
    """Forget the caller's own searches."""
    await platform.history.clear(principal.tenant, user_of(principal.claims))
    return Response(status_code=204)


def _remember(platform: Services, principal: Principal, body: SearchQuery, matched: int, latency_ms: float) -> None:
    """As it was sent, and only the first page of a walk: the others are the same search."""
    if body.cursor is None:
        query = body.model_dump(mode="json", exclude={"cursor"}, exclude_unset=True, by_alias=True)
        if "time_range" in query:  # as text: a reader in JavaScript would round a number of nanoseconds
            query["time_range"] = {name: str(ns) for name, ns in query["time_range"].items()}
        platform.history.add(Past(principal.tenant, user_of(principal.claims), query, matched, latency_ms))


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
    """The spans of a trace in order of start, 10,000 at most."""
    spans, more = await platform.traces.spans(principal.scope, trace_id)
    return json({"trace_id": trace_id.lower(), "spans": spans, "partial": more})


@api.get("/traces/{trace_id}/logs", tags=["signals"], response_model=TraceLogs, responses=errors(401, 403, 404, 422))
async def trace_logs(trace_id: str, principal: Reader, platform: Platform) -> Response:
    """Log records of a trace in order of time, 1,000 at most."""
    items, more = await platform.traces.logs(principal.scope, trace_id)
    return json({"items": items, "partial": more})
