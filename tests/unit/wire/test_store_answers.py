"""A success that cannot be a store's own is no acknowledgement."""

from __future__ import annotations

from typing import Any

import pytest

from runners.ledger.attempt import Batch, Flag, Outcome
from runners.wire.connection import Reply
from runners.wire.delivery import judge
from runners.wire.parcel import Parcel, Sink
from runners.wire.stores import LokiSink, PrometheusSink

PARCEL = Parcel(Batch(0, "logs", 0, 0), "acme", b"", "key", Flag.NONE, 10, 0, 9, 1, 2)
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8"


@pytest.mark.parametrize("make", [LokiSink, PrometheusSink])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(204, b"", b"HTTP/1.1 204 No Content"), Outcome.ACKED),
        (Reply(200, b"", PAGE), Outcome.ACKED),
        (Reply(200, b"<html>sign in</html>", PAGE), Outcome.UNKNOWN),
        (Reply(302, b"<html>sign in</html>", PAGE), Outcome.REJECTED),
    ],
)
def test_a_page_to_sign_in_at_has_stored_nothing(
    monkeypatch: pytest.MonkeyPatch, make: type[LokiSink | PrometheusSink], reply: Reply, outcome: Outcome
) -> None:
    def post(*_: Any) -> Reply:
        return reply

    monkeypatch.setattr("runners.wire.stores.Connection.post", post)
    sink: Sink = make("http://127.0.0.1:1")
    assert judge(sink.send(PARCEL))[0] is outcome
