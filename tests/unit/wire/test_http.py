"""What a sink of OTLP/HTTP says is believed only where it can be true."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from runners.ledger.attempt import Batch, Flag, Outcome
from runners.wire.connection import Reply
from runners.wire.delivery import judge
from runners.wire.http import Compression, HttpSink
from runners.wire.parcel import Answer, Parcel

PARCEL = Parcel(Batch(0, "logs", 0, 0), "acme", b"", "key", Flag.NONE, 10, 0, 9, 1, 2)


def answered(monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str | None = None) -> Answer:
    """What a sink makes of a 200 with this content."""

    def post(*_: Any) -> Reply:
        head = b"HTTP/1.1 200 OK" if kind is None else f"HTTP/1.1 200 OK\r\nContent-Type: {kind}".encode()
        return Reply(200, content, head)

    monkeypatch.setattr("runners.wire.http.Connection.post", post)
    return HttpSink("http://127.0.0.1:1", None).send(PARCEL)


def refusing(items: int) -> bytes:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = items
    return answer.SerializeToString()


@pytest.mark.parametrize(("items", "outcome"), [(0, Outcome.ACKED), (1, Outcome.PARTIAL), (10, Outcome.PARTIAL)])
def test_as_many_items_may_be_refused_as_were_sent(
    monkeypatch: pytest.MonkeyPatch, items: int, outcome: Outcome
) -> None:
    answer = answered(monkeypatch, refusing(items), "application/x-protobuf")
    assert (judge(answer)[0], answer.rejected) == (outcome, items)


@pytest.mark.parametrize("items", [-1, 11, 1 << 40, -(1 << 63)])
def test_a_number_that_cannot_be_true_proves_nothing(monkeypatch: pytest.MonkeyPatch, items: int) -> None:
    answer = answered(monkeypatch, refusing(items))
    assert (judge(answer), answer.rejected) == ((Outcome.UNKNOWN, True), 0)
    assert "refused" in answer.error


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"a stored.", "text/plain"), (b"<html>", "text/html"), (b"{}", "application/json"), (b"\xff", None)],
)
def test_a_success_in_another_language_is_none(
    monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str | None
) -> None:
    assert judge(answered(monkeypatch, content, kind)) == (Outcome.UNKNOWN, True)


def test_a_success_without_words_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge(answered(monkeypatch, b"", "text/plain")) == (Outcome.ACKED, False)


def test_without_a_token_nothing_is_sent_and_no_status_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def bearer(tenant: str) -> str:
        raise LookupError(f"{tenant} may not log in")

    def post(*_: Any) -> Reply:
        raise AssertionError

    monkeypatch.setattr("runners.wire.http.Connection.post", post)
    answer = HttpSink("http://127.0.0.1:1", bearer).send(PARCEL)
    assert (answer.status, answer.sent, judge(answer)) == (0, False, (Outcome.REFUSED, True))
    assert answer.error == "no token for tenant acme: acme may not log in"


@pytest.mark.parametrize("room", [0, 280, 297, 5000])
def test_a_token_that_an_answer_repeats_is_not_kept(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """room: what stands before it; only the beginning of an answer is kept."""

    def post(*_: Any) -> Reply:
        return Reply(403, b"x" * room + b"not for 's3cr3t-token': Bearer s3cr3t-token", b"HTTP/1.1 403 Forbidden")

    monkeypatch.setattr("runners.wire.http.Connection.post", post)
    answer = HttpSink("http://127.0.0.1:1", lambda _: "s3cr3t-token").send(PARCEL)
    assert answer.status == 403 and "s3" not in answer.error and len(answer.error) <= 300
    assert room or answer.error == "not for '…': Bearer …"


def test_a_token_that_a_partial_success_repeats_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ExportLogsServiceResponse()
    said.partial_success.rejected_log_records = 1
    said.partial_success.error_message = "s3cr3t-token may write little" + "." * 1000
    monkeypatch.setattr(
        "runners.wire.http.Connection.post", lambda *_: Reply(200, said.SerializeToString(), b"HTTP/1.1 200 OK")
    )
    answer = HttpSink("http://127.0.0.1:1", lambda _: "s3cr3t-token").send(PARCEL)
    assert answer.error.startswith("… may write little") and len(answer.error) <= 300


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_the_ledgers_checksum_is_that_of_the_body_however_it_is_packed(compression: Compression) -> None:
    parcel = replace(PARCEL, body=b"some body " * 1000)
    packed = HttpSink("http://127.0.0.1:1", None, compression=compression).pack(parcel)
    assert packed.attempt(0, 0).checksum == zlib.crc32(parcel.body) == parcel.attempt(0, 0).checksum
    assert packed.packed == parcel.body if compression == "none" else len(packed.packed or b"") < 200
