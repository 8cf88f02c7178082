"""The target over real HTTP: sessions, canonical operations, verification."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from runners.lib.home import Home
from runners.target import LoginRefused, Target, open_target, verify
from runners.target.canonical import CANONICAL
from tests.integration.load.small_platform import SmallPlatform

RANGE = {"from": "0", "to": "1700000000000000000", "limit": 3}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[SmallPlatform]:
    with SmallPlatform() as running:
        running.environment(tmp_path)
        yield running


@pytest.fixture
def target(platform: SmallPlatform, tmp_path: Path) -> Iterator[Target]:
    with open_target(Home(tmp_path).env("local")) as opened:
        yield opened


def test_an_operation_is_done_as_one_s_tenant(target: Target) -> None:
    who = target.identity("globex", "viewer")
    answer = target.call("search.logs", who, **RANGE)
    operation = target.operation("search.logs")
    assert operation is not None
    items = operation.items(answer)
    assert answer.ok
    assert items is not None
    assert {item["content"]["resource"]["app.tenant"] for item in items} == {"globex"}
    assert target.told_tenant(target.call("auth.me", who)) == "globex"


def test_a_refused_token_is_refreshed_once_for_all_threads(target: Target, platform: SmallPlatform) -> None:
    who = target.identity("acme", "viewer")
    target.tokens.bearer(who)
    platform.expire_tokens()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: target.call("search.logs", who, **RANGE).status, range(32)))
    assert answers == [200] * 32
    assert platform.by_operation()["auth.login"] == 1
    assert platform.by_operation()["auth.refresh"] == 1


def test_nothing_secret_is_logged(target: Target, platform: SmallPlatform, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        target.call("search.logs", target.identity("acme", "viewer"), **RANGE)
    assert caplog.text  # httpx does log requests at this level
    assert not [secret for secret in platform.secrets if secret in caplog.text]


def test_a_wrong_password_is_refused_in_words(target: Target, platform: SmallPlatform, tmp_path: Path) -> None:
    file = tmp_path / "env" / "local" / "secrets" / "identities.json"
    file.write_text(file.read_text().replace("do-not-tell", "wrong"))
    with open_target(Home(tmp_path).env("local")) as other, pytest.raises(LoginRefused, match="status 401"):
        other.call("search.logs", other.identity("acme", "viewer"), **RANGE)


def test_verify_probes_every_operation_once_and_counts_what_is_absent(target: Target, platform: SmallPlatform) -> None:
    found = verify(target).to_json()
    states = {item["name"]: item["state"] for item in found["operations"]}
    assert set(states) == set(CANONICAL)
    described = {name for name, template in target.profile.operations.items() if template}
    assert {name for name, state in states.items() if state == "ok"} == described
    assert {state for name, state in states.items() if name not in described} == {"not_applicable"}
    assert found["ready"] is True
    assert found["coverage"] == round(len(described) / len(CANONICAL), 4)
    assert all(item["latency_ms"] > 0 for item in found["operations"] if item["state"] == "ok")
    assert platform.by_operation()["search.logs"] == 1


def test_a_broken_required_operation_is_not_ready(target: Target, platform: SmallPlatform) -> None:
    platform.broken["search.logs"] = 500
    assert verify(target).ready  # it is not required here
    required = target.profile.model_copy(update={"required": ("search.logs", "alerts.list")})
    with Target(required, target.identities, path=target.path) as strict:
        found = verify(strict)
    assert not found.ready
    assert {probe.name: probe.state for probe in found.missing} == {
        "search.logs": "failed",
        "alerts.list": "not_applicable",
    }
    assert "status 500" in str(found.to_json())


def test_a_target_that_is_gone_is_found_failed_not_raised(tmp_path: Path) -> None:
    with SmallPlatform() as platform:
        platform.environment(tmp_path)
    with open_target(Home(tmp_path).env("local"), timeout_s=2) as gone:
        found = verify(gone)
        assert not found.ready
        with pytest.raises(httpx.ConnectError):
            gone.call("health.ready")
    reasons = {probe.reason for probe in found.missing}
    assert any(reason and reason.startswith("ConnectError") for reason in reasons)
