"""Readiness is asked as clients ask; whatever goes wrong is a sentence."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from runners.environment.host.probes import probe
from tests.servers import free_port, redis_server


@contextmanager
def http_server(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ready"
    server.shutdown()
    server.server_close()


def test_http_200_is_ready() -> None:
    with http_server(200, b"") as url:
        assert probe({"kind": "http", "url": url}) is None


def test_an_unready_dependency_is_named_in_either_form() -> None:
    for body in (
        b'{"dependencies":[{"name":"postgres","ready":false},{"name":"redis","ready":true}]}',
        b'{"dependencies":{"postgres":{"status":"down"},"writers":{"status":"up"}}}',
    ):
        with http_server(503, body) as url:
            assert probe({"kind": "http", "url": url}) == "answers 503: postgres not ready"


def test_a_page_that_is_no_json_is_only_its_status() -> None:
    with http_server(500, b"<html>") as url:
        assert probe({"kind": "http", "url": url}) == "answers 500"


def test_a_closed_port_is_said() -> None:
    port = free_port()
    health = {"kind": "http", "url": f"http://127.0.0.1:{port}/"}
    assert probe(health) == "nothing listens on its port"


def test_redis_must_accept_the_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    with redis_server() as url:
        port = int(url.split(":")[2].split("/")[0])
        health = {"kind": "redis", "host": "127.0.0.1", "port": port, "password_file": str(tmp_path / "password")}
        reason = probe(health)
    assert reason is not None and "AUTH" in reason
    assert "nothing listens" in str(probe(health))


def test_a_missing_password_file_is_a_reason(tmp_path: Path) -> None:
    health = {"kind": "redis", "host": "127.0.0.1", "port": 1, "password_file": str(tmp_path / "absent")}
    assert "FileNotFoundError" in str(probe(health))
