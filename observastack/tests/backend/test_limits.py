"""Rate limits: per tenant and per user name, with what a client needs to know; and what happens without Redis."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.people import person, tenant
from observastack.tests.backend.serving import PREFIX, Backend, backend, until
from tests.servers import free_port, redis_server


@pytest.fixture(scope="module")
def limited(served_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Three log-ins a minute for a name, on a Redis that can be killed."""
    folder = tmp_path_factory.mktemp("limited")
    with ExitStack() as stack:
        cache = urlsplit(stack.enter_context(redis_server()))
        document = json.loads(served_config.file.read_text())
        document["redis"] = {"host": cache.hostname, "port": cache.port}
        document["backend"]["port"] = free_port()
        document["limits"] = {"login_per_minute": 3}
        file = folder / "observastack.json"
        file.write_text(json.dumps(document))
        yield stack.enter_context(backend(configuration.load(file, environ={}), folder))


def test_a_tenant_has_so_many_requests_a_minute(served: Backend) -> None:
    one = person(served, tenant(served, requests_per_minute=3))
    left = []
    for _ in range(3):
        answer = one.get("/auth/me")
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-limit"] == "3"
        left.append(int(answer.headers["x-ratelimit-remaining"]))
    assert left == [2, 1, 0]
    answer = one.post("/search", {})
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(answer.headers["x-ratelimit-reset"]) <= 60


def test_the_limit_is_the_tenants_and_not_the_users(served: Backend) -> None:
    home = tenant(served, requests_per_minute=2)
    first, second, stranger = person(served, home), person(served, home), person(served, tenant(served))
    for one in (first, second):
        assert one.get("/auth/me").status_code == 200
    assert first.get("/auth/me").status_code == second.get("/auth/me").status_code == 429
    assert stranger.get("/auth/me").status_code == 200


def test_without_a_limit_nothing_is_said_about_one(served: Backend) -> None:
    answer = served.get("acme-viewer", "/auth/me")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    assert served.get("acme-viewer", "/meta/capabilities").json()["limits"]["requests_per_minute"] == 0


def test_a_limit_that_is_lifted_no_longer_counts(served: Backend) -> None:
    one = person(served, tenant(served, requests_per_minute=1))
    assert one.get("/auth/me").status_code == 200
    assert one.get("/auth/me").status_code == 429
    lifted = served.call(
        "platform-admin", "PUT", f"/admin/settings?tenant={one.tenant}", json={"requests_per_minute": 0}
    )
    assert lifted.status_code == 200
    assert one.get("/auth/me").status_code == 200


def test_the_platforms_limit_applies_to_tenants_that_have_none(served: Backend) -> None:
    free, own = person(served, tenant(served)), person(served, tenant(served, requests_per_minute=1000))
    settings = "/admin/settings"
    try:
        assert served.call("platform-admin", "PUT", settings, json={"requests_per_minute": 500}).is_success
        assert free.get("/auth/me").headers["x-ratelimit-limit"] == "500"
        assert own.get("/auth/me").headers["x-ratelimit-limit"] == "1000"
    finally:
        served.call("platform-admin", "PUT", settings, json={"requests_per_minute": None})
    assert "x-ratelimit-limit" not in free.get("/auth/me").headers


def test_a_name_has_so_many_logins_a_minute_whether_it_exists_or_not(limited: Backend) -> None:
    for name in ("acme-viewer", "nobody-of-this-name"):
        statuses = [limited.login(name, "wrong").status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
    answer = limited.login("acme-viewer")
    assert answer.status_code == 429  # the right password does not help
    assert int(answer.headers["retry-after"]) >= 1
    assert limited.login("acme-editor").status_code == 200


def test_a_limiter_without_redis_lets_through_and_says_so(limited: Backend) -> None:
    """Last of this module's tests: it takes Redis away."""
    pid = Redis(port=limited.config.redis.port).info("server")["process_id"]
    os.kill(int(pid), signal.SIGKILL)
    until(lambda: limited.get(None, "/health/ready").status_code == 503, "readiness says it")
    assert limited.login("acme-viewer").status_code == 200
    text = limited.client.get("/metrics").text
    (line,) = [one for one in text.splitlines() if one.startswith("observastack_rate_limit_failures_total ")]
    assert int(line.split()[1]) >= 1
    assert limited.client.get(f"{PREFIX}/auth/me").status_code == 401


def test_a_log_of_failures_names_no_secret(limited: Backend, tmp_path: Path) -> None:
    assert "wrong" not in limited.log.read_text()
