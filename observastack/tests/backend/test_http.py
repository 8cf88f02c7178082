"""What every answer has in common: envelope, request id, limits, the OpenAPI document, metrics about itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from observastack.backend.errors import as_api_error
from observastack.config import Config
from observastack.tests.backend.serving import PREFIX, Backend, Store, backend
from tests.servers import free_port


def test_a_request_id_is_kept_or_made(served: Backend) -> None:
    kept = served.client.get(f"{PREFIX}/health/live", headers={"X-Request-ID": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>"):
        made = served.client.get(f"{PREFIX}/nowhere", headers={"X-Request-ID": bad})
        assert made.headers["x-request-id"] != bad
        assert made.json()["error"]["request_id"] == made.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("PUT", "/api/v1/search", 405, "method_not_allowed"),
        ("GET", "/api/v1/auth/me", 401, "unauthenticated"),
        ("POST", "/api/v1/auth/login", 422, "invalid"),
    ],
)
def test_every_error_is_the_envelope(served: Backend, method: str, path: str, status: int, code: str) -> None:
    answer = served.client.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "request_id", "details"}
    assert error["code"] == code
    assert error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_413(served: Backend, chunked: bool) -> None:
    body = json.dumps({"free_text": "x" * (2 << 20)}).encode()
    content: Any = iter([body[:1000], body[1000:]]) if chunked else body
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {served.token('acme-viewer')}"}
    answer = served.client.post(f"{PREFIX}/search", content=content, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_the_openapi_document_declares_security_and_errors(served: Backend) -> None:
    document = served.client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    open_to_all = {"live", "ready", "auth-info", "login", "refresh", "metrics", "jwks.json"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            if path.rsplit("/", 1)[-1] in open_to_all:
                assert "security" not in operation, where
                continue
            scheme = "webhook" if path.endswith("/webhook/alertmanager") else "bearer"
            assert operation["security"] == [{scheme: []}], where
            assert {"401", "503"} <= set(operation["responses"]), where
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")):
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("ErrorEnvelope"), f"{where} {status}"
    assert "422" in document["paths"]["/api/v1/search"]["post"]["responses"]


def test_answers_have_the_declared_form(served: Backend) -> None:
    import jsonschema  # type: ignore[import-untyped]

    document = served.client.get("/openapi.json").json()
    calls: list[tuple[str, str, str, Any]] = [
        ("acme-viewer", "post", "/search", {"limit": 5}),
        ("acme-viewer", "post", "/traces/search", {"limit": 5}),
        ("acme-viewer", "post", "/metrics/query", {"query": "1"}),
        ("acme-viewer", "get", "/metrics/labels/service/values", None),
        ("acme-viewer", "get", "/auth/me", None),
        ("acme-viewer", "get", "/auth/auth-info", None),
        ("acme-viewer", "get", "/meta/capabilities", None),
        ("acme-viewer", "get", "/alerts", None),
        ("acme-viewer", "get", "/alerts/statistics", None),
        ("acme-viewer", "get", "/alerts/silences", None),
        ("platform-admin", "get", "/test-data/summary", None),
        ("platform-admin", "get", "/health/ready", None),
    ]
    for username, method, path, body in calls:
        answer = served.call(username, method.upper(), path, json=body)
        template = path.replace("/service/", "/{label}/")
        declared = document["paths"][PREFIX + template][method]["responses"][str(answer.status_code)]
        schema = {**declared["content"]["application/json"]["schema"], "components": document["components"]}
        jsonschema.validate(answer.json(), schema)


def test_metrics_count_requests_by_route(served: Backend) -> None:
    for number in range(3):
        served.get("acme-viewer", f"/traces/{number:032x}")
    served.get(None, "/health/ready")
    text = served.client.get("/metrics").text
    assert "/traces/{trace_id}" in text
    assert f"{1:032x}" not in text
    assert 'observastack_dependency_up{dependency="postgres"} 1' in text
    assert 'observastack_dependency_up{dependency="redis"} 1' in text


def test_a_server_name_or_stack_trace_is_never_shown(served: Backend) -> None:
    for answer in (served.client.get("/x"), served.post("acme-viewer", "/search", {"cursor": "AAAA"})):
        assert "server" not in answer.headers
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("statement", ["SELECT 'something-secret'::int", "SELECT 'x' ~ 'something-secret('"])
def test_what_the_database_says_of_a_value_is_not_passed_on(store: Store, statement: str) -> None:
    with pytest.raises(psycopg.DataError, match=r"something-secret|regular expression") as refused:
        store.sql(statement)
    error = as_api_error(refused.value)
    assert (error.status, error.code, error.details) == (422, "invalid", [])
    assert error.message == "the store cannot use a value of this request"


def _config(served_config: Config, folder: Path, **changes: Any) -> Path:
    document = json.loads(served_config.file.read_text())
    document["backend"]["port"] = free_port()
    document.update(changes)
    file = folder / "observastack.json"
    file.write_text(json.dumps(document))
    return file


def _run(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "observastack.backend", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_prevents_the_start_is_said_in_a_sentence(served: Backend, served_config: Config, tmp_path: Path) -> None:
    taken = _config(served_config, tmp_path, backend={"host": "127.0.0.1", "port": served.config.backend.port})
    ended = _run(taken)
    assert ended.returncode == 2
    assert "cannot listen on" in ended.stderr
    auth = json.loads(served_config.file.read_text())["auth"]
    missing = _run(_config(served_config, tmp_path, auth={**auth, "private_key_file": str(tmp_path / "nothing.pem")}))
    assert missing.returncode == 2
    assert "signing key" in missing.stderr
    for text in (ended.stderr, missing.stderr, _run(tmp_path / "none.json").stderr):
        assert "Traceback" not in text
        assert "→" in text


def test_sigterm_lets_a_request_finish(served_config: Config, tmp_path: Path) -> None:
    from observastack import config as configuration

    config = configuration.load(_config(served_config, tmp_path), environ={})
    with backend(config, tmp_path) as running:
        fault = {"source": "logs", "latency_ms": 1_000, "ttl_s": 30}
        assert running.post("platform-admin", "/test-data/faults", fault).status_code == 200
        token = running.token("acme-viewer")
        code = (
            "import httpx,sys\n"
            f"r=httpx.post('http://127.0.0.1:{config.backend.port}{PREFIX}/search',json={{'type':'logs'}},"
            "headers={'Authorization':'Bearer '+sys.stdin.read()},timeout=20)\nprint(r.status_code)"
        )
        caller = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert caller.stdin is not None
        caller.stdin.write(token)
        caller.stdin.close()
        deadline = time.monotonic() + 20
        while "in_flight 2" not in running.client.get("/metrics").text:  # this one and the slow one
            assert time.monotonic() < deadline
        running.process.send_signal(signal.SIGTERM)
        assert caller.wait(20) == 0
        assert caller.stdout is not None
        assert caller.stdout.read().strip() == "200"
        assert running.process.wait(10) in (0, -signal.SIGTERM)
