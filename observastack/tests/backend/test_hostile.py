"""Hostile input: refused, bounded, and logged without secrets; whatever was sent, the next request is answered."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from observastack.tests.backend.serving import PREFIX, Backend
from observastack.tests.platform import Tokens

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def alive(served: Backend) -> Iterator[None]:
    """After each of these tests the same process still answers, and its log has neither secrets nor tracebacks."""
    yield
    assert served.process.poll() is None
    assert served.get("acme-viewer", "/auth/me").status_code == 200
    log = served.log.read_text()
    assert SECRET not in log
    assert served.token("acme-viewer") not in log
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def tokens(served: Backend) -> Tokens:
    return Tokens(served.config)


def raw(served: Backend, data: bytes, patience_s: float = 15) -> bytes:
    """What the server sends back until it closes, or is silent for a moment after an answer."""
    address = ("127.0.0.1", served.config.backend.port)
    answer = b""
    with socket.create_connection(address, timeout=patience_s) as connection:
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                answer += chunk
                connection.settimeout(0.4)
        except TimeoutError:
            assert answer, "neither an answer nor the end of the connection"
        except ConnectionError:
            pass
    return answer


def request(served: Backend, head: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [head, f"Host: 127.0.0.1:{served.config.backend.port}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


HEADER_ATTACKS = {
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 40\r\n\r\nGET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "negative length": b"Content-Length: -1\r\n\r\n",
    "length of words": b"Content-Length: many\r\n\r\n",
    "length beyond all": b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n",
    "space before the colon": b"Content-Length : 0\r\n\r\n",
    "NUL in a value": b"X-Request-ID: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a folded header": b"X-Scope-OrgID: acme\r\n globex\r\nContent-Length: 0\r\n\r\n",
    "line feeds alone": b"X-Other: 1\nX-Scope-OrgID: globex\nContent-Length: 0\n\n",
}


@pytest.mark.parametrize("name", HEADER_ATTACKS)
def test_an_ambiguous_request_smuggles_no_second_one(served: Backend, name: str) -> None:
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = raw(served, head + HEADER_ATTACKS[name])
    statuses = [line.split(b" ")[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert len(statuses) <= 1 or set(statuses) <= {b"400", b"401", b"422"}, answer
    assert b"preferred_username" not in answer
    assert b" 500 " not in answer


@pytest.mark.parametrize("header", ["X-Scope-OrgID", "X-Tenant-ID", "X-Forwarded-User", "X-Original-URL", "Tenant"])
def test_no_header_names_the_tenant_or_another_path(served: Backend, header: str) -> None:
    headers = {"Authorization": f"Bearer {served.token('acme-viewer')}", header: "globex"}
    answer = served.client.get(f"{PREFIX}/auth/me", headers=headers)
    assert answer.json()["tenant_id"] == "acme"


def test_heads_have_a_size(served: Backend) -> None:
    for head in (b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 200_000):
        began = time.monotonic()
        answer = raw(served, head)
        assert not answer or answer.startswith(b"HTTP/1.1 4")
        assert time.monotonic() - began < 5


def test_a_client_that_does_not_finish_its_head_or_body_is_let_go(served: Backend) -> None:
    """Both at once: each takes its whole time."""
    address = ("127.0.0.1", served.config.backend.port)
    with (
        socket.create_connection(address, timeout=40) as head,
        socket.create_connection(address, timeout=40) as body,
    ):
        head.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        body.sendall(
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        began = time.monotonic()
        assert head.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert head.recv(100) == b""
        assert time.monotonic() - began < 15
        answer = b"".join(iter(lambda: body.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in answer
        assert time.monotonic() - began < 30


DEEP = 100_000
BODIES: dict[str, bytes] = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep value of a filter": b'{"filters":[{"field":"body","operator":"equals","value":'
    + b"[" * 5000
    + b"]" * 5000
    + b"}]}",
    "never closed": b"[" * DEEP,
    "a number of a million digits": b'{"limit":' + b"9" * 900_000 + b"}",
    "infinite": b'{"limit":1e999}',
    "not a number": b'{"limit":NaN}',
    "half a character": b'{"free_text":"\\ud800"}',
    "NUL": b'{"free_text":"\\u0000"}',
    "not UTF-8": b'{"free_text":"\xff\xfe"}',
    "twice the same key": b'{"limit":1,"limit":"x"}',
    "a list": b"[]",
    "nothing": b"",
    "null": b"null",
    "ten thousand filters": json.dumps(
        {"filters": [{"field": "body", "operator": "exists", "value": True}] * 10_000}
    ).encode(),
    "prototype": b'{"__proto__":{"admin":true},"constructor":1}',
}


@pytest.mark.parametrize("path", ["/search", "/search/stream", "/search/aggregate", "/search/export", "/auth/login"])
@pytest.mark.parametrize("name", BODIES)
def test_a_strange_body_is_refused_with_a_reason(served: Backend, path: str, name: str) -> None:
    headers = {"Authorization": f"Bearer {served.token('acme-analyst')}", "Content-Type": "application/json"}
    began = time.monotonic()
    answer = served.client.post(f"{PREFIX}{path}", content=BODIES[name], headers=headers)
    assert answer.status_code in (400, 413, 422), (answer.status_code, answer.text[:200])
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert len(answer.content) < 20_000  # what was sent does not come back
    assert time.monotonic() - began < 10


STRINGS = [
    "'; DROP TABLE users; --", "1 OR 1=1", "%00", "\\x00", "../../etc/passwd", "{{7*7}}", "${jndi:ldap://x/y}",
    "<script>alert(1)</script>", "a" * 5_000, "\u202e\u0000", "%", "_", "\\", "🙂" * 100, "NaN", "-1", "9" * 40,
]  # fmt: skip
QUERIES = [
    "/admin/users?q={}", "/admin/users?role={}", "/admin/users?cursor={}", "/admin/users?limit={}",
    "/admin/audit-logs?user={}", "/admin/audit-logs?action={}", "/admin/audit-logs?from={}", "/admin/audit-logs?cursor={}",
    "/admin/settings?tenant={}", "/admin/tenants/{}", "/admin/users/{}", "/traces/{}", "/metrics/labels/{}/values",
    "/search/history?cursor={}", "/insights/dashboard?from={}", "/insights/anomalies?sigma={}", "/insights/export?kind={}",
    "/alerts?service={}", "/alerts?q={}", "/alerts?cursor={}", "/alerts/{}", "/alerts/silences/{}",
]  # fmt: skip


@pytest.mark.parametrize("template", QUERIES)
def test_a_strange_query_changes_nothing_and_breaks_nothing(served: Backend, template: str) -> None:
    from urllib.parse import quote

    for text in STRINGS:
        path = template.format(quote(text, safe=""))
        answer = served.get("acme-tenant_admin", path)
        assert answer.status_code in (200, 404, 422), (path[:100], answer.status_code, answer.text[:200])
    for bad in ("%ff%fe", "%00", "%c0%af"):
        answer = served.get("acme-tenant_admin", template.format(bad))
        assert answer.status_code in (200, 404, 422), (template, bad, answer.text[:200])


@pytest.mark.parametrize(
    "tenant",
    ["a|b", "acme|globex", "../globex", "' OR '1'='1", "ACME", "", "acme ", "\u0000", "*", "x" * 10_000, 7, ["acme"]],
)
def test_a_token_with_a_strange_tenant_lets_nobody_in(served: Backend, tokens: Tokens, tenant: Any) -> None:
    token = tokens(tenant, ("tenant_admin",))
    if len(token) > 8_000:
        token = token[:8_000]
    answer = served.client.get(f"{PREFIX}/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (401, 403)
    assert "preferred_username" not in answer.text


def test_passwords_and_tokens_are_in_no_log_and_no_answer(served: Backend) -> None:
    body = {"username": "acme-viewer", "password": SECRET}
    answer = served.client.post(f"{PREFIX}/auth/login", json=body)
    assert answer.status_code == 401
    assert SECRET not in answer.text
    wrong = {"username": ["x"], "password": SECRET, SECRET: SECRET}
    answer = served.client.post(f"{PREFIX}/auth/login", json=wrong)
    assert answer.status_code == 422
    assert answer.text.count(SECRET) <= 1  # the name of an unknown key is told, a value never is
    headers = {"Authorization": f"Bearer {SECRET}", "X-Request-ID": f"<{SECRET}>"}
    assert served.client.get(f"{PREFIX}/auth/me?token={SECRET}", headers=headers).status_code == 401


@pytest.mark.parametrize("number", [1.7e308, -1.7e308, "1e308", 5e-324, 10**400, "9" * 5_000, "1e999", -1, True])
def test_numbers_beyond_all_times_are_refused(served: Backend, number: object) -> None:
    """Found by generated requests: a finite number of seconds is an infinite one of microseconds."""
    for path, body in (
        ("/metrics/query", {"query": "1", "time": number}),
        ("/metrics/query_range", {"query": "1", "start": number, "end": number, "step": number}),
        ("/insights/trend-analysis", {"query": "1", "time_range": {"from": "0", "to": "1"}, "step_s": number}),
    ):
        answer = served.client.post(
            f"{PREFIX}{path}",
            content=json.dumps(body),
            headers={"Authorization": f"Bearer {served.token('acme-viewer')}"},
        )
        assert answer.status_code in (200, 400, 422), (path, answer.text[:200])
        assert answer.status_code != 200 or number == 5e-324


def test_expensive_patterns_end_in_time(served: Backend) -> None:
    for pattern in ("(a+)+$", "(" * 400, "[", "a{1,65535}", "\\1", "(?=x)" * 80):
        body = {"type": "logs", "filters": [{"field": "body", "operator": "regex", "value": pattern}]}
        began = time.monotonic()
        answer = served.post("acme-viewer", "/search", body)
        assert answer.status_code in (200, 422, 503), answer.text
        assert time.monotonic() - began < 8
        query = {"query": '{__name__=~"' + pattern.replace("\\", "\\\\") + '"}'}
        assert served.post("acme-viewer", "/metrics/query", query).status_code in (200, 400, 422, 501, 503)


def test_a_method_that_is_none_is_refused(served: Backend) -> None:
    for method in ("TRACE", "CONNECT", "PROPFIND", "X" * 20):
        answer = raw(served, request(served, f"{method} {PREFIX}/auth/me HTTP/1.1"))
        assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert raw(served, request(served, "GET http://169.254.169.254/latest HTTP/1.1")).startswith(b"HTTP/1.1 4")
    assert raw(served, request(served, f"GET {PREFIX}/health/../admin/health HTTP/1.1")).startswith(b"HTTP/1.1 4")
    assert uuid.uuid4().hex not in served.log.read_text()


VALUES = {
    "an integer beyond every float": ("severity", "gt", "1" + "0" * 400),
    "such an integer of an attribute": ("attributes.a", "equals", "1" + "0" * 400),
    "such an end of a range": ("value", "range", "[1, 1" + "0" * 400 + "]"),
    "half a character": ("body", "equals", '"\\ud800"'),
    "half a character as another key of a range": ("value", "range", '{"from": 1, "to": 2, "\\ud800": 3}'),
    "NUL in the name of a field": ("attributes.a\\u0000", "exists", "true"),
}
"""(field, operator, value as JSON)"""


@pytest.mark.parametrize("path", ["/search", "/search/aggregate", "/search/export", "/search/stream"])
@pytest.mark.parametrize("name", VALUES)
def test_a_filter_with_a_value_that_no_store_knows_is_refused(served: Backend, path: str, name: str) -> None:
    """Also where the signal has no such field and the store would not see the value. The range is long over: counts of it
    are kept."""
    field, operator, value = VALUES[name]
    filters = f'[{{"field": "{field}", "operator": "{operator}", "value": {value}}}]'
    for kind in ("metrics", "logs"):
        body = f'{{"type": "{kind}", "time_range": {{"from": "1", "to": "100"}}, "filters": {filters}}}'
        answer = served.client.post(
            f"{PREFIX}{path}", content=body,
            headers={"Authorization": f"Bearer {served.token('acme-analyst')}", "Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 422, answer.text
