"""A stream whose session has ended ends, however much waits for its client and however slowly that takes it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.websockets import WebSocket, WebSocketState

from observastack.backend.auth.tokens import Claims
from observastack.backend.live.messages import News
from observastack.backend.live.session import Refused, _send_waiting, _still_entitled
from observastack.backend.live.subscriber import Subscriber
from observastack.backend.live.wish import wish


async def test_news_that_never_stop_do_not_prolong_an_ended_session() -> None:
    claims = Claims("1", "somebody", "", "acme", ("viewer",), "family.1", int(time.time()) + 60)
    subscriber = Subscriber(1, claims, wish("logs", None, None, None))
    sent = 0

    async def never() -> Any:
        raise AssertionError("nothing is read here")

    async def send(_: Any) -> None:
        """A client so slow that the next news are there before it has taken the last, and whose session ends meanwhile."""
        nonlocal sent
        sent += 1
        subscriber.push(News("logs", (), "cursor", 1))
        if sent == 3:
            subscriber.end(4401, "the session has ended")
        assert sent < 100, "the stream goes on"

    websocket = WebSocket({"type": "websocket"}, never, send)
    websocket.application_state = WebSocketState.CONNECTED
    subscriber.push(News("logs", (), "cursor", 1))
    await _send_waiting(websocket, subscriber)
    assert sent == 3
    with pytest.raises(Refused) as refused:
        _still_entitled(subscriber)
    assert (refused.value.code, refused.value.name) == (4401, "unauthenticated")
