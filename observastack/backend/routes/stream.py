"""The live stream. WebSockets are no part of OpenAPI; the protocol is in docs/stream.md."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from observastack.backend.live.session import Refused, refuse, serve
from observastack.backend.live.wish import BadWish, wish
from observastack.backend.services import Services

api = APIRouter(tags=["live"])


@api.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    """Logs, alerts, and on demand traces and metrics of the token's tenant, as they arrive."""
    platform: Services = websocket.app.state.services
    query = websocket.query_params
    try:
        wanted = wish(query.get("types"), query.get("free_text"), query.get("service"), query.get("severity"))
    except BadWish as bad:
        await websocket.accept()
        await refuse(websocket, Refused(4400, "bad_request", str(bad)))
        return
    await serve(websocket, platform, wanted, query.get("cursor"))
