"""Each defect of the web server does what its name says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from observastack.tests.web.conftest import Served, web

NAMES = ("", "proxy_tenant_header_passed", "web_security_headers_missing", "spa_cache_leak")


@pytest.fixture(scope="module", params=NAMES)
def defective(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Served]]:
    with web(tmp_path_factory.mktemp("defect"), defects=request.param) as running:
        yield request.param, running


def test_tenant_headers(defective: tuple[str, Served]) -> None:
    name, running = defective
    seen = dict(running.client.get("/api/v1/echo", headers={"X-Scope-OrgID": "globex"}).json()["headers"])
    assert ("x-scope-orgid" in seen) == (name == "proxy_tenant_header_passed")
    assert "x-forwarded-for" in seen


def test_security_headers(defective: tuple[str, Served]) -> None:
    name, running = defective
    headers = running.client.get("/").headers
    wanted = {"content-security-policy", "x-frame-options", "x-content-type-options", "referrer-policy"}
    assert wanted & headers.keys() == (set() if name == "web_security_headers_missing" else wanted)
    assert "x-content-type-options" in running.client.get("/api/v1/echo").headers


def test_stored_answers(defective: tuple[str, Served]) -> None:
    name, running = defective
    stored = running.client.get("/api/v1/echo").headers["cache-control"]
    assert stored == ("public, max-age=300" if name == "spa_cache_leak" else "no-store")
    assert running.client.get("/").headers["cache-control"] == "no-cache"
