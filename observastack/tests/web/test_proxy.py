"""The API behind the page's own origin: what goes through, what does not, and that streams stay streams."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from observastack.tests.backend.serving import until
from observastack.tests.slow import serve_slowly
from observastack.tests.web.conftest import Served
from observastack.tests.web.test_site import raw_get
from observastack.web.proxy import Proxy

Echo = Callable[..., dict[str, Any]]


def test_method_path_query_and_body_arrive_as_they_were_sent(echo: Echo) -> None:
    seen = echo("/api/v1/a%2Fb/%C3%A9?q=%7Bx%3D%22%7C%22%7D&q=2", "PUT", content=b"x" * 70_000)
    assert (seen["method"], seen["bytes"]) == ("PUT", 70_000)
    assert seen["raw_path"] == "/api/v1/a%2Fb/%C3%A9"
    assert seen["query"] == "q=%7Bx%3D%22%7C%22%7D&q=2"


def test_well_known_documents_come_from_the_backend(echo: Echo) -> None:
    assert echo("/.well-known/jwks.json")["raw_path"] == "/.well-known/jwks.json"


@pytest.mark.parametrize("name", ["X-Scope-OrgID", "x-scope-orgid", "X-Tenant-ID", "THANOS-TENANT", "X-Grafana-Org-Id"])
def test_a_client_cannot_name_a_tenant(echo: Echo, name: str) -> None:
    names = {name for name, _ in echo(headers={name: "globex", "Authorization": "Bearer x"})["headers"]}
    assert name.lower() not in names
    assert "authorization" in names


def test_hop_by_hop_headers_and_those_that_connection_names_end_here(echo: Echo) -> None:
    sent = {"Connection": "keep-alive, X-Secret-Hop", "X-Secret-Hop": "1", "TE": "trailers", "Keep-Alive": "9"}
    names = {name for name, _ in echo(headers=sent)["headers"]}
    assert not names & {"x-secret-hop", "te", "keep-alive", "upgrade"}


def test_hop_by_hop_headers_of_the_answer_end_here(served: Served) -> None:
    headers = served.client.get("/api/v1/echo").headers
    assert "x-inner" not in headers
    assert "server" not in headers


def test_the_client_is_named_by_the_server_alone(echo: Echo) -> None:
    sent = {"X-Forwarded-For": "8.8.8.8", "Forwarded": "for=8.8.8.8", "X-Real-IP": "8.8.8.8"}
    seen = dict(echo(headers=sent)["headers"])
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert not {"forwarded", "x-real-ip"} & seen.keys()


def test_a_request_id_goes_through_and_a_bad_one_is_replaced(echo: Echo) -> None:
    assert dict(echo(headers={"X-Request-ID": "abc-1"})["headers"])["x-request-id"] == "abc-1"
    assert dict(echo(headers={"X-Request-ID": "a b<script>"})["headers"])["x-request-id"] != "a b<script>"


def test_the_backends_status_is_the_answers(served: Served) -> None:
    assert served.client.get("/api/v1/teapot").status_code == 418


def test_answers_of_the_api_are_stored_by_nobody(served: Served) -> None:
    headers = served.client.get("/api/v1/echo").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_an_endless_answer_arrives_piece_by_piece_and_ends_with_its_reader(served: Served) -> None:
    began, first = time.monotonic(), 0.0
    with served.client.stream("GET", "/api/v1/ticks") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines) == "data: 0"
        first = time.monotonic() - began
    assert first < 1.0
    until(lambda: served.client.get("/api/v1/streams").json()["open"] == 0, "the backend's stream ends", 5)


def test_a_body_over_the_limit_is_refused_declared_or_not(served: Served) -> None:
    declared = served.client.post("/api/v1/echo", content=b"x" * (2 << 20 | 1))
    assert (declared.status_code, declared.json()["error"]["code"]) == (413, "too_large")

    def pieces() -> Any:
        for _ in range(40):
            yield b"x" * (1 << 16)

    assert served.client.post("/api/v1/echo", content=pieces()).status_code == 413
    assert served.client.post("/api/v1/echo", content=iter([b"x" * 100, b"y"])).json()["bytes"] == 101


def test_a_head_without_end_is_refused(served: Served) -> None:
    found = raw_get(served.port, "/api/v1/echo?" + "a" * 60_000)
    assert found.startswith(b"HTTP/1.1 431 ")


def test_a_backend_that_dies_in_the_middle_cuts_the_answer_short(served: Served) -> None:
    found = raw_get(served.port, "/api/v1/dies")
    assert found.startswith(b"HTTP/1.1 200")
    assert found.endswith(b"half")
    assert served.client.get("/api/v1/echo").status_code == 200
    assert "Traceback" not in served.log.read_text()


def test_paths_beside_the_api_do_not_reach_the_backend(served: Served) -> None:
    for path in ("/metrics", "/openapi.json", "//api/v1/echo", "/API/v1/echo", "/apis"):
        assert b"raw_path" not in raw_get(served.port, path), path


async def test_clients_that_go_away_at_any_moment_cost_no_connection() -> None:
    """A connection that the proxy loses with its client is lost for good: in the end nobody reaches the backend."""
    random.seed(7)
    server = await asyncio.start_server(serve_slowly, "127.0.0.1", 0)
    proxy = Proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections=16)

    async def ask(patience_s: float) -> bytes:
        sent: list[bytes] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(patience_s)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        scope = {"type": "http", "method": "GET", "path": "/api/v1/x", "query_string": b"", "headers": []}
        await proxy.pass_on(scope, receive, send, "request")
        return b"".join(sent)

    try:
        for _ in range(40):
            await asyncio.gather(*(ask(random.uniform(0.001, 0.06)) for _ in range(48)))
        assert await asyncio.gather(*(ask(5.0) for _ in range(16))) == [b"ok" * 3] * 16
    finally:
        await proxy.close()
        server.close()
