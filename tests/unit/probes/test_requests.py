"""The bytes a probe sends and how it reads the answer."""

import json

import pytest

from runners.probes.requests import HealthRequest, WriteRequest
from runners.target import Identity


class Tokens:
    """Stands in for a session: hands out numbered tokens."""

    def __init__(self) -> None:
        self.number = 1

    def bearer(self, identity: Identity) -> str:
        return f"token-{self.number}"

    def invalidate(self, identity: Identity, token: str | None = None) -> None:
        if token == f"token-{self.number}":
            self.number += 1


@pytest.fixture
def request_() -> WriteRequest:
    identity = Identity("acme-agent", "acme", ("agent",))
    made = WriteRequest("http://127.0.0.1:4318/base/", "run-1", identity, Tokens(), clock=lambda: 17)  # type: ignore[arg-type]
    made.prepare()
    return made


def test_a_write_is_one_marked_log_record(request_: WriteRequest) -> None:
    head, _, body = request_.encode(7).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /base/v1/logs HTTP/1.1"
    assert "Authorization: Bearer token-1" in lines and f"Content-Length: {len(body)}" in lines
    (logs,) = json.loads(body)["resourceLogs"]
    attributes = {item["key"]: item["value"]["stringValue"] for item in logs["resource"]["attributes"]}
    assert attributes == {"service.name": "testbed-probe", "testbed.probe": "run-1", "app.tenant": "acme"}
    (record,) = logs["scopeLogs"][0]["logRecords"]
    assert record["timeUnixNano"] == "17" and record["body"]["stringValue"] == "probe 7"
    assert record["attributes"] == [{"key": "testbed.probe", "value": {"stringValue": "run-1"}}]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"{}", "ok"),
        (200, b'{"partialSuccess":{}}', "ok"),
        (200, b'{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":""}}', "ok"),
        (200, b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}', "failed"),
        (500, b"", "failed"),
        (503, b"", "failed"),
        (404, b"", "failed"),
        (401, b"", "refused"),
        (429, b"", "refused"),
    ],
)
def test_an_answer_is_read(request_: WriteRequest, status: int, body: bytes, outcome: str) -> None:
    assert request_.judge(status, body)[0] == outcome


def test_a_refused_token_is_replaced(request_: WriteRequest) -> None:
    request_.judge(401, b"")
    request_.prepare()
    assert b"Bearer token-2" in request_.encode(0)


def test_a_health_look_is_a_get() -> None:
    request = HealthRequest("http://127.0.0.1:8000/api/v1/health/live")
    assert request.encode(0).startswith(b"GET /api/v1/health/live HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n")
    assert request.judge(200, b"")[0] == "ok" and request.judge(503, b"")[0] == "failed"
