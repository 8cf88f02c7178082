"""The conversation with one client: who is it, where does it begin, then everything that arrives, until one of both ends
it. Two tasks: this one sends, the other listens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from observastack import defects
from observastack.backend.auth.principal import check_served, claims_of
from observastack.backend.auth.roles import Permission, granted
from observastack.backend.auth.tokens import Claims
from observastack.backend.deadline import within
from observastack.backend.errors import as_api_error
from observastack.backend.live import messages
from observastack.backend.live.channel import DOWN, READ_S
from observastack.backend.live.feed import Event
from observastack.backend.live.hub import Hub
from observastack.backend.live.position import BadCursor, Place, Position, decode, encode
from observastack.backend.live.room import Displaced, Room
from observastack.backend.live.subscriber import Subscriber
from observastack.backend.live.wish import Wish
from observastack.backend.services import Services

PROTOCOL = "observastack.v1"
BEARER = "bearer."
FIRST_MESSAGE_S = 5.0
MAX_MESSAGE = 16 << 10
SEND_S = 30.0
"""A client that takes nothing for so long is gone."""


class Refused(Exception):
    """The stream ends. code: of the WebSocket; name: as in the error envelope."""

    def __init__(self, code: int, name: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.name, self.reason = code, name, reason


@dataclass(frozen=True)
class Opened:
    """What a client said to begin with."""

    token: str
    cursor: str | None


async def serve(websocket: WebSocket, platform: Services, wish: Wish, cursor: str | None) -> None:
    """Accepts, talks, closes."""
    offered: list[str] = websocket.scope.get("subprotocols", [])
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    try:
        opened = await _opening(websocket, platform.live.room, offered, cursor)
        claims, tenant = await _entitled(platform, opened.token, wish)
        with platform.live.room.admitted(tenant) as full:
            if full is not None:
                raise Refused(4429, "too_many_requests", full)
            await _stream(websocket, platform, Subscriber(tenant, claims, wish), opened.cursor)
    except Refused as refused:
        await refuse(websocket, refused)
    except WebSocketDisconnect:
        pass


async def refuse(websocket: WebSocket, refused: Refused) -> None:
    """Say why, then close."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.send_text(messages.control("error", code=refused.name, message=refused.reason))
        await websocket.close(refused.code, refused.reason[:120])


async def _opening(websocket: WebSocket, room: Room, offered: list[str], cursor: str | None) -> Opened:
    """The token from the subprotocols, else from the first message."""
    token = next((name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)), None)
    if token is not None:
        return Opened(token, cursor)
    try:
        async with room.silent(FIRST_MESSAGE_S):
            message = await _receive(websocket)
    except Displaced:
        raise Refused(4429, "too_many_requests", "too many wait here to say who they are") from None
    except TimeoutError:
        raise Refused(4401, "unauthenticated", f"no token within {FIRST_MESSAGE_S:g} s") from None
    if message.get("type") != "auth" or not isinstance(message.get("token"), str):
        raise Refused(4401, "unauthenticated", "the first message must bring a token")
    sent = message.get("cursor", cursor)
    if not (sent is None or isinstance(sent, str)):
        raise Refused(4400, "bad_request", "the cursor must be a text")
    return Opened(message["token"], sent)


async def _entitled(platform: Services, token: str, wish: Wish) -> tuple[Claims, int]:
    """Who it is and the number of the tenant. Raises Refused."""
    try:
        claims = await claims_of(platform, token)
        home = None if claims.tenant is None else await platform.tenants.find(claims.tenant)
        check_served(home)
    except Exception as error:
        problem = as_api_error(error)
        code = {401: 4401, 403: 4403}.get(problem.status, 1013)
        raise Refused(code, problem.code, problem.message) from None
    needed = {Permission.SEARCH} | ({Permission.ALERTS} if "alerts" in wish.kinds else set())
    if not needed <= granted(claims.roles):
        raise Refused(4403, "forbidden", f"this needs {' and '.join(sorted(needed))}")
    if home is None:
        raise Refused(4403, "tenant_required", "the account belongs to no tenant")
    return claims, home.number


async def _stream(websocket: WebSocket, platform: Services, subscriber: Subscriber, cursor: str | None) -> None:
    hub = platform.live
    try:
        begin = None if cursor is None else decode(cursor, subscriber.tenant)
    except BadCursor as bad:
        raise Refused(4400, "bad_cursor", str(bad)) from None
    listener = asyncio.create_task(_listen(websocket, platform, subscriber))
    try:
        if begin is None:
            begin = await _join(hub, subscriber)
            await websocket.send_text(messages.hello(encode(begin, subscriber.tenant), subscriber.wish))
        else:
            await websocket.send_text(messages.hello(encode(begin, subscriber.tenant), subscriber.wish))
            # The most before joining, at the client's pace; then the little that arrived until it has joined.
            reached = await _catch_up(websocket, hub, subscriber, begin, None)
            joined = await _join(hub, subscriber, reached.place)
            reached = await _catch_up(websocket, hub, subscriber, reached, joined.place)
            await _catch_up_pages(websocket, hub, subscriber, reached, joined)
        while True:
            await _send_waiting(websocket, subscriber)
            _still_entitled(subscriber)
            if listener.done():
                listener.result()  # raises what ended it
            await subscriber.wake.wait()
            subscriber.wake.clear()
    finally:
        listener.cancel()
        await asyncio.wait({listener})
        if not listener.cancelled():
            listener.exception()  # looked at: it ended with the client
        await hub.leave(subscriber)


async def _join(hub: Hub, subscriber: Subscriber, reached: Place | None = None) -> Position:
    """Raises Refused."""
    try:
        return await hub.join(subscriber, reached)
    except DOWN:
        raise Refused(1013, "unavailable", "the store does not answer") from None


async def _catch_up(
    websocket: WebSocket, hub: Hub, subscriber: Subscriber, begin: Position, until: Place | None
) -> Position:
    """Send what arrived up to a place (None: up to now), passing nothing over; the position that was reached."""
    place, complete = begin.place, False
    if defects.active("stream_resume_gap"):
        return Position(until or place, begin.pages)
    while not complete and (until is None or place < until):
        if subscriber.claims.expires <= time.time():
            raise Refused(4401, "unauthenticated", "the token has expired")
        reading = hub.feed.since(subscriber.tenant, place, subscriber.wish.kinds, pass_over=False)
        async with hub.turns:
            try:
                batch = await within(READ_S, reading)
            except DOWN:
                raise Refused(1013, "unavailable", "the store does not answer") from None
        events = [event for event in batch.events if until is None or event.place < until]
        place, complete = (batch.end if until is None else min(batch.end, until)), batch.complete
        end = Position(place, begin.pages)
        for news in messages.news(subscriber.wish, subscriber.tenant, events, {}, end):
            await _send(websocket, news.text)
    return Position(place, begin.pages)


async def _catch_up_pages(
    websocket: WebSocket, hub: Hub, subscriber: Subscriber, begin: Position, joined: Position
) -> None:
    """The same for stores of other servers."""
    pages = dict(begin.pages)
    for source in hub.pages.paged:
        if source not in begin.pages or source not in joined.pages or defects.active("stream_resume_gap"):
            continue
        try:
            async for rows in hub.pages.between(subscriber.scope, source, begin.pages[source], joined.pages[source]):
                events = []
                for ts, tie, item in rows:
                    pages = {**pages, source: (ts, tie)}
                    events.append(Event(source, begin.place, item, pages))
                for news in messages.news(subscriber.wish, subscriber.tenant, events, {}, Position(begin.place, pages)):
                    _still_entitled(subscriber)
                    await _send(websocket, news.text)
        except DOWN:
            raise Refused(1013, "unavailable", "the store does not answer") from None


async def _send_waiting(websocket: WebSocket, subscriber: Subscriber) -> None:
    """Until nothing waits, or the stream is to end: a client that takes its time must not prolong what has ended."""
    while subscriber.ending is None and (text := subscriber.take()) is not None:
        await _send(websocket, text)


def _still_entitled(subscriber: Subscriber) -> None:
    """Raises Refused when its session has ended meanwhile."""
    if (ending := subscriber.ending) is not None:
        raise Refused(ending.code, "unauthenticated" if ending.code == 4401 else "forbidden", ending.reason)


async def _send(websocket: WebSocket, text: str) -> None:
    try:
        async with asyncio.timeout(SEND_S):
            await websocket.send_text(text)
    except (TimeoutError, RuntimeError):
        raise WebSocketDisconnect(1006) from None


async def _listen(websocket: WebSocket, platform: Services, subscriber: Subscriber) -> None:
    """Renewals and pings, until the client goes."""
    try:
        while True:
            message = await _receive(websocket)
            match message.get("type"):
                case "ping":
                    subscriber.say(messages.control("pong"))
                case "auth":
                    await _renew(platform, subscriber, message.get("token"))
                case _:
                    raise Refused(4400, "bad_request", "a message is auth or ping")
    finally:
        subscriber.wake.set()


async def _renew(platform: Services, subscriber: Subscriber, token: Any) -> None:
    """A new token of the same user in the same tenant. Raises Refused."""
    if not isinstance(token, str):
        raise Refused(4400, "bad_request", "auth brings a token")
    claims, tenant = await _entitled(platform, token, subscriber.wish)
    if (claims.subject, tenant) != (subscriber.claims.subject, subscriber.tenant):
        raise Refused(4403, "forbidden", "the token is another user's")
    subscriber.claims, subscriber.warned = claims, False


async def _receive(websocket: WebSocket) -> dict[str, Any]:
    """Raises WebSocketDisconnect, and Refused for what is no JSON object."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    try:
        document = orjson.loads(message.get("text") or "")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Refused(4400, "bad_request", "a message is a JSON object")
    return document
