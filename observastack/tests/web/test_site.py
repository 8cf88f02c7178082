"""The frontend's files: what is found, how it is encoded, how long a browser may keep it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from observastack.tests.platform import write_config
from observastack.tests.web.conftest import SCRIPT, Served, build_site, web
from observastack.web.site import Site, accepted_codings
from tests.servers import free_port

POLICY = "content-security-policy"


@pytest.mark.parametrize("path", ["/", "/search", "/alerts/0b9f", "/admin/users?tenant=acme"])
def test_routes_of_the_application_get_its_page(served: Served, path: str) -> None:
    answer = served.client.get(path)
    assert answer.status_code == 200
    assert "<title>ObservaStack</title>" in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/assets/index-Gone1234.js", "/missing.png", "/assets/", "/assets/x"])
def test_a_file_that_is_missing_is_not_the_page(served: Served, path: str) -> None:
    assert served.client.get(path).status_code == 404


def test_a_hashed_name_may_be_kept_for_ever_and_other_names_are_asked_about(served: Served) -> None:
    assert served.client.get("/assets/index-Ab3dEf9h.js").headers["cache-control"].endswith("immutable")
    icon = served.client.get("/favicon.svg")
    assert icon.headers["cache-control"] == "no-cache"
    again = served.client.get("/favicon.svg", headers={"If-None-Match": icon.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert served.client.get("/favicon.svg", headers={"If-None-Match": '"other"'}).status_code == 200


def test_text_is_compressed_for_who_takes_it(served: Served) -> None:
    zipped = served.client.get("/assets/index-Ab3dEf9h.js", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(SCRIPT) / 5
    assert zipped.text == SCRIPT
    plain = served.client.get("/assets/index-Ab3dEf9h.js", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] != zipped.headers["etag"]
    assert plain.headers["vary"] == "accept-encoding"


def test_what_the_bundler_compressed_is_served_as_it_is(served: Served) -> None:
    with served.client.stream("GET", "/assets/style-Zz0yXx1w.css", headers={"Accept-Encoding": "br, gzip"}) as answer:
        assert answer.headers["content-encoding"] == "br"
        assert b"".join(answer.iter_raw()) == b"as the bundler made it"
    assert served.client.get("/assets/style-Zz0yXx1w.css.br").status_code == 404


def test_a_codings_weight_of_zero_refuses_it() -> None:
    assert accepted_codings("gzip;q=1.0, br;q=0, zstd ; q=nonsense, deflate") == {"gzip", "deflate"}


def test_head_has_the_length_and_no_body(served: Served) -> None:
    answer = served.client.head("/favicon.svg")
    assert answer.content == b""
    assert int(answer.headers["content-length"]) == (served.root / "favicon.svg").stat().st_size


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_files_can_only_be_read(served: Served, method: str) -> None:
    answer = served.client.request(method, "/search")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/missing.png", "/health/ready"])
def test_every_answer_of_its_own_is_locked_down(served: Served, path: str) -> None:
    headers = served.client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers[POLICY].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert "unsafe" not in headers[POLICY]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_in_oidc_mode_the_page_may_ask_the_issuer_and_its_endpoints_and_nobody_else(tmp_path: Path) -> None:
    auth = {"method": "oidc", "issuer": "http://127.0.0.1:8080/realms/observastack"}
    with web(tmp_path / "oidc", auth=auth) as running:
        policy = running.client.get("/").headers[POLICY]
    assert "connect-src 'self' http://127.0.0.1:8080 https://tokens.invalid:8443;" in policy


def test_a_new_build_is_served_without_a_restart_and_an_old_one_until_then(tmp_path: Path) -> None:
    root = build_site(tmp_path / "dist")
    site = Site(root)
    (root / "index.html").rename(root / "index.html.away")
    assert site.find("/") is not None
    assert not site.ready()
    (root / "assets" / "index-Nn1mMm2k.js").write_text("new")
    (root / "index.html.away").rename(root / "index.html")
    os.utime(root / "index.html", (1, 1))
    assert site.find("/assets/index-Nn1mMm2k.js") is not None


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    root = build_site(tmp_path / "dist")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "secret.txt").symlink_to(tmp_path / "secret.txt")
    assert Site(root).find("/secret.txt") is None


@pytest.mark.parametrize(
    "path",
    [
        "/../observastack.json",
        "/assets/..%2f..%2fobservastack.json",
        "/%2e%2e/x",
        "/a%252f..%252f..",
        "/..\\x",
        "/x%00",
    ],
)
def test_dot_segments_are_refused_however_they_are_written(served: Served, path: str) -> None:
    answer = raw_get(served.port, path)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"secret" not in answer


def test_without_a_built_frontend_it_says_how_to_get_it(tmp_path: Path) -> None:
    root = {"host": "127.0.0.1", "port": free_port(), "root": str(tmp_path / "dist")}
    file = write_config(tmp_path, "postgresql://postgres@127.0.0.1:1/postgres", web=root)
    ended = subprocess.run(
        [sys.executable, "-m", "observastack.web", "--config", str(file)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "make frontend" in ended.stderr
    assert "Traceback" not in ended.stderr


def raw_get(port: int, path: str) -> bytes:
    """A path as it is: httpx would resolve its dots."""
    import socket

    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


def test_readiness_tells_of_the_backend(tmp_path: Path) -> None:
    with web(tmp_path / "alone", backend=free_port()) as running:
        answer = running.client.get("/health/ready")
        assert answer.status_code == 503
        assert {item["name"]: item["ready"] for item in answer.json()["dependencies"]} == {
            "site": True, "backend": False,
        }  # fmt: skip
        refused = running.client.get("/api/v1/auth/me")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "unavailable"
        assert refused.headers["retry-after"] == "1"
        assert isinstance(refused, httpx.Response)
