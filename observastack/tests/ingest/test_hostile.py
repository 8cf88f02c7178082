"""Input made to hurt: refused, within bounds of memory and time, without a secret in the log; the next request is served."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from observastack.config import Config
from observastack.ingest.foreign import snappy
from observastack.ingest.foreign.messages import PushRequest, WriteRequest
from observastack.tests.gateway import PROTOBUF, Gateway, logs, running_gateway
from observastack.tests.platform import Tokens, build_platform

PATHS = ("/v1/logs", "/v1/traces", "/v1/metrics", "/loki/api/v1/push", "/api/v1/write")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Config:
    limits = {"max_json_bytes": 500_000, "head_timeout_s": 0.5, "body_timeout_s": 0.5}
    return build_platform(tmp_path_factory.mktemp("platform"), postgres, ingest=limits)


@pytest.fixture(scope="module")
def served(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def token(config: Config) -> str:
    return Tokens(config)()


@pytest.fixture(autouse=True)
def unharmed(served: Gateway, token: str) -> Iterator[None]:
    """After each test: the gateway lives, writes, has not seen an error of its own, and has told no token."""
    yield
    assert served.post("logs", logs(["still here"]), token).status_code == 200
    assert served.lines("writer.error") + served.lines("request.error") == []
    text = served.log.read_text()
    assert "Traceback" not in text
    assert "eyJ" not in text, "a token is in the log"


def send(served: Gateway, token: str, path: str, body: bytes, **headers: str) -> httpx.Response:
    """As protobuf (snappy where the path wants that) unless a header says otherwise."""
    sent = {"authorization": f"Bearer {token}", "content-type": PROTOBUF}
    if path == "/api/v1/write":
        sent["content-encoding"] = "snappy"
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(served.url + path, content=body, headers=sent, timeout=20)


def talk(served: Gateway, *parts: bytes, wait_s: float = 5) -> bytes:
    """Send parts over one connection and read until the other side closes it."""
    with socket.create_connection(("127.0.0.1", served.config.ingest.port), wait_s) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65536):
                answer += data
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before everything was sent
    return answer


def peak_kib(served: Gateway) -> int:
    assert served.process is not None
    return int(Path(f"/proc/{served.process.pid}/status").read_text().split("VmHWM:")[1].split()[0])


# Bodies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/loki/api/v1/push", "/api/v1/write"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"\xff" * 100, b"\x05", b"\x05\x10hello and more", b"\x80\x80\x80\x80\x80\x01", b"not snappy at all",
        snappy.deflate(b"not protobuf"), snappy.deflate(b"\x0a\xff\xff\xff\x7f"),
    ],
)  # fmt: skip
def test_malformed_snappy_and_protobuf_is_400(served: Gateway, token: str, path: str, body: bytes) -> None:
    answer = send(served, token, path, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("path", ["/loki/api/v1/push", "/api/v1/write"])
def test_a_snappy_bomb_is_413_before_it_is_inflated(served: Gateway, token: str, path: str) -> None:
    before = peak_kib(served)
    assert send(served, token, path, snappy.deflate(bytes(200_000_000))[:5_000_000]).status_code == 413
    # A small body that only says it is four gigabytes large.
    assert send(served, token, path, b"\xff\xff\xff\xff\x0f" + b"x" * 100).status_code == 413
    assert peak_kib(served) - before < 40_000


def test_a_body_of_very_many_gzip_members_is_400(served: Gateway, token: str) -> None:
    """Each costs the time to copy all that follow."""
    body = gzip.compress(b"", mtime=0) * 20_000
    assert send(served, token, "/v1/logs", body, content_encoding="gzip").status_code == 400
    few = gzip.compress(b"", mtime=0) * 100 + gzip.compress(logs(["in the last member"]), mtime=0)
    assert send(served, token, "/v1/logs", few, content_encoding="gzip").status_code == 200


def test_a_stream_with_the_same_label_very_often_is_400(served: Gateway, token: str) -> None:
    def pushed(labels: str) -> int:
        request = PushRequest()
        request.streams.add(labels=labels).entries.add(line="x").timestamp.seconds = int(time.time())
        return send(served, token, "/loki/api/v1/push", snappy.deflate(request.SerializeToString())).status_code

    assert pushed("{" + 'a="", ' * 40_000 + "}") == 400
    assert pushed('{a="1", a="2" ,\n } ') == 204


def test_one_long_label_of_many_samples_is_413(served: Gateway, token: str) -> None:
    """A small body, of which every sample would have the label."""
    before = peak_kib(served)

    def written(samples: int) -> int:
        request = WriteRequest()
        series = request.timeseries.add()
        for name, value in (("__name__", "m"), ("long", "x" * 16_000)):
            series.labels.add(name=name, value=value)
        now = time.time_ns() // 10**6
        for number in range(samples):
            series.samples.add(value=number, timestamp=now + number)
        return send(served, token, "/api/v1/write", snappy.deflate(request.SerializeToString())).status_code

    assert written(5_000) == 413
    assert peak_kib(served) - before < 20_000
    assert written(10) == 204


@pytest.mark.parametrize("depth", [200, 900, 1_100, 100_000])
def test_deep_json_is_400(served: Gateway, token: str, depth: int) -> None:
    value = b'{"kvlistValue":{"values":[{"key":"k","value":' * depth + b"{}" + b"}]}}" * depth
    record = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' + value + b"}]}]}]}"
    ids = b'{"spans":' * depth + b'{"traceId":"00"}' + b"}" * depth  # below names where ids are looked for
    for body in (record, ids, b"[" * depth + b"]" * depth, b'{"resourceLogs":' + b"[" * depth + b"]" * depth + b"}"):
        answer = send(served, token, "/v1/logs", body, content_type="application/json")
        # Unknown fields are ignored (OTLP), so what nests only those may be taken.
        allowed = (413,) if len(body) > 500_000 else (200, 400) if body is ids else (400,)
        assert answer.status_code in allowed, answer.text


def test_deep_protobuf_is_400(served: Gateway, token: str) -> None:
    value = b"\x0a\x01x"
    for _ in range(5000):  # AnyValue{array_value: {values: [AnyValue …]}}
        inner = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(inner)) + inner
    record = b"\x2a" + varint(len(value)) + value
    for _ in range(3):
        record = b"\x12" + varint(len(record)) + record
    assert send(served, token, "/v1/logs", b"\x0a" + record[1:]).status_code == 400


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_large_json_is_413(served: Gateway, token: str) -> None:
    body = b'{"resourceLogs":[' + b"{}," * 300_000 + b"{}]}"
    assert send(served, token, "/v1/logs", body, content_type="application/json").status_code == 413
    packed = gzip.compress(body, mtime=0)
    answer = send(served, token, "/v1/logs", packed, content_type="application/json", content_encoding="gzip")
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "document",
    [
        [], {}, {"streams": None}, {"streams": [{}]}, {"streams": [{"stream": [], "values": []}]},
        {"streams": [{"stream": {"a": 1}, "values": []}]}, {"streams": [{"stream": {}, "values": [["x", "line"]]}]},
        {"streams": [{"stream": {}, "values": [["1"]]}]}, {"streams": [{"stream": {}, "values": [["1", 2]]}]},
        {"streams": [{"stream": {}, "values": [["9" * 40, "line"]]}]},
        {"streams": [{"stream": {f"l{n}": "v" for n in range(100)}, "values": []}]},
        {"streams": [{"stream": {}, "values": [["1", "line", {"k": {}}]]}]},
    ],
)  # fmt: skip
def test_a_loki_push_of_another_shape_is_400(served: Gateway, token: str, document: object) -> None:
    body = json.dumps(document).encode()
    answer = send(served, token, "/loki/api/v1/push", body, content_type="application/json")
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("path", PATHS)
def test_other_formats_and_methods_are_refused(served: Gateway, token: str, path: str) -> None:
    assert send(served, token, path, b"x", content_type="text/html").status_code == 415
    assert send(served, token, path, b"x", content_encoding="br").status_code == 415
    assert httpx.put(served.url + path).status_code == 405
    assert httpx.post(served.url + path, content=b"x").status_code == 401
    v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    if path == "/api/v1/write":
        assert send(served, token, path, b"x", content_type=v2).status_code == 415


# Heads ----------------------------------------------------------------------------------------------------------------


def test_headers_without_end_are_431(served: Gateway) -> None:
    before = peak_kib(served)
    many = b"".join(b"x-%d: %s\r\n" % (number, b"v" * 100) for number in range(1000))
    one = b"x: " + b"v" * 40_000_000
    for head in (many, one, b"Authorization: Bearer " + b"a" * 100_000 + b"\r\n"):
        answer = talk(served, b"POST /v1/logs HTTP/1.1\r\nHost: x\r\n", head)
        assert answer.startswith(b"HTTP/1.1 431 ") or answer == b"", answer[:200]  # reset while it was still sending
    assert talk(served, b"GET /" + b"a" * 100_000).startswith(b"HTTP/1.1 431 ")
    assert peak_kib(served) - before < 20_000


def test_a_head_that_drips_is_408(served: Gateway) -> None:
    started = time.monotonic()
    assert talk(served).startswith(b"HTTP/1.1 408 "), "nothing at all"
    assert talk(served, b"POST /v1/logs HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 4


def test_a_body_that_drips_is_408(served: Gateway, token: str) -> None:
    head = (
        f"POST /v1/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {PROTOBUF}\r\n"
        "Content-Length: 1000\r\n\r\nabc"
    )
    answer = talk(served, head.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"timeout"' in answer


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n", b"Content-Length: 5,6\r\n", b"Transfer-Encoding: chunked, identity\r\n",
        b"Bad Header\r\n", b"X-Scope-OrgID: a\r\n b\r\n", b"X: \x00\r\n",
    ],
)  # fmt: skip
def test_ambiguous_heads_are_400(served: Gateway, head: bytes) -> None:
    answer = talk(served, b"POST /v1/logs HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'"code":"invalid_request"' in answer


@pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00", b"\r\n" * 10 + b"\0\0", b"GET http://[ HTTP/1.1\r\n\r\n"])
def test_what_is_not_http_is_400(served: Gateway, rubbish: bytes) -> None:
    assert talk(served, rubbish).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("tenant", ["globex|acme", "../acme", "*", "%2e"])
def test_no_tenant_header_changes_anything(served: Gateway, token: str, tenant: str) -> None:
    assert served.post("logs", logs(["x"]), token, x_scope_orgid=tenant).status_code == 200


@pytest.mark.parametrize("value", ["Bearer", "bearer x y", "Bearer " + "a" * 9000, "Bearer a.b.c", "Basic eA=="])
def test_tokens_that_are_none_are_401(served: Gateway, value: str) -> None:
    answer = httpx.post(f"{served.url}/v1/logs", headers={"authorization": value, "content-type": PROTOBUF})
    assert answer.status_code == 401
