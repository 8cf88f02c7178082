"""What a store says is believed only where it can be true: a success that is its own, a number of items that were sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cramjam
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


LEFT_OUT = "user 'acme', total ignored: {} out of {} for stream"
WRITTEN = "X-Prometheus-Remote-Write-Samples-Written: {}"


@pytest.mark.parametrize(
    ("make", "told", "header", "meant"),
    [
        (LokiSink, LEFT_OUT.format(3, 10), "", (Outcome.PARTIAL, 3)),
        (LokiSink, LEFT_OUT.format(10, 10), "", (Outcome.REJECTED, 0)),
        (LokiSink, LEFT_OUT.format(11, 11), "", (Outcome.REJECTED, 0)),
        (LokiSink, LEFT_OUT.format(6, 10) + LEFT_OUT.format(6, 10), "", (Outcome.REJECTED, 0)),
        (LokiSink, "something else", "", (Outcome.REJECTED, 0)),
        (PrometheusSink, "out of bounds", WRITTEN.format(9), (Outcome.PARTIAL, 1)),
        (PrometheusSink, "out of bounds", WRITTEN.format(0), (Outcome.REJECTED, 0)),
        (PrometheusSink, "out of bounds", WRITTEN.format(10), (Outcome.REJECTED, 0)),
        (PrometheusSink, "out of bounds", WRITTEN.format(12), (Outcome.REJECTED, 0)),
        (PrometheusSink, "out of bounds", WRITTEN.format("all"), (Outcome.REJECTED, 0)),
    ],
)
def test_a_refusal_of_a_part_names_one_that_can_be_or_is_a_refusal_of_all(
    monkeypatch: pytest.MonkeyPatch,
    make: type[LokiSink | PrometheusSink],
    told: str,
    header: str,
    meant: tuple[Outcome, int],
) -> None:
    """meant: and how many items were left out of those that were sent."""

    def post(*_: Any) -> Reply:
        return Reply(400, told.encode(), f"HTTP/1.1 400 Bad Request\r\n{header}".encode())

    monkeypatch.setattr("runners.wire.stores.Connection.post", post)
    answer = make("http://127.0.0.1:1").send(PARCEL)
    outcome, again = judge(answer)
    assert ((outcome, answer.rejected), again) == (meant, False)


def test_a_refusal_for_now_of_some_lines_does_not_say_that_the_others_are_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an ingester refuses lines of a stream that is too fast; a distributor refuses a push as a whole."""
    said = "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest, "
    for told, outcome in (
        (said + LEFT_OUT.format(3, 10), Outcome.UNKNOWN),
        ("Ingestion rate limit exceeded for user acme (limit: 4194304 bytes/sec)", Outcome.REFUSED),
    ):
        reply = Reply(429, told.encode(), b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3")
        monkeypatch.setattr("runners.wire.stores.Connection.post", lambda *_, reply=reply: reply)
        answer = LokiSink("http://127.0.0.1:1").send(PARCEL)
        assert (judge(answer), answer.status, answer.retry_after_s) == ((outcome, True), 429, 3.0)


@pytest.mark.parametrize("make", [LokiSink, PrometheusSink])
def test_what_was_packed_once_is_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, make: type[LokiSink | PrometheusSink]
) -> None:
    sent: list[bytes] = []

    def post(_: Any, __: str, body: bytes, ___: Any) -> Reply:
        sent.append(bytes(body))
        return Reply(204, b"", b"HTTP/1.1 204 No Content")

    monkeypatch.setattr("runners.wire.stores.Connection.post", post)
    sink: Sink = make("http://127.0.0.1:1")
    parcel = replace(PARCEL, body=b"some body " * 100)
    sink.send(sink.pack(parcel))
    sink.send(parcel)
    assert [bytes(cramjam.snappy.decompress_raw(one)) for one in sent] == [parcel.body] * 2
