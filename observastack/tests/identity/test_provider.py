"""An identity provider that rotates its keys, withdraws them, is silent, down, or talks nonsense."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from observastack.tests.backend.serving import PREFIX, backend, until
from observastack.tests.gateway import running_gateway
from observastack.tests.identity.conftest import Platform, oidc, ready
from observastack.tests.identity.issuers import Key, Scripted, claims, new_key, scripted
from observastack.tests.platform import build_platform
from tests.servers import free_port


@pytest.fixture
def provider() -> Iterator[Scripted]:
    with scripted(free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Iterator[Platform]:
    """One platform on a scripted provider; every test leaves the provider as it found it."""
    folder = tmp_path_factory.mktemp("scripted")
    with ExitStack() as stack:
        issuer = stack.enter_context(scripted(free_port()))
        config = build_platform(folder, postgres, redis, auth=oidc(issuer))
        running = stack.enter_context(backend(config, folder))
        yield Platform(issuer, running, stack.enter_context(running_gateway(config, folder)))


@pytest.fixture
def script(shared: Platform) -> Iterator[Scripted]:
    """The provider, good again at the end."""
    issuer = shared.issuer
    assert isinstance(issuer, Scripted)
    yield issuer
    issuer.body, issuer.status = None, 200
    until(lambda: shared.me(issuer.key.sign(claims(issuer))).status_code == 200, "the provider is known again")


def test_a_rotated_key_is_learnt_by_the_first_token_that_names_it(shared: Platform, script: Scripted) -> None:
    old = script.key
    assert shared.me(old.sign(claims(script))).status_code == 200
    script.keys.append(new_key())
    # Not before the least time between two requests for keys is over, but long before they are too old.
    assert until(lambda: shared.me(script.key.sign(claims(script))).status_code == 200, "the new key is known") < 0.8
    assert shared.write(script.key.sign(claims(script, "acme", ("agent",)))) == 200
    assert shared.me(old.sign(claims(script))).status_code == 200  # still published


def test_a_withdrawn_key_is_forgotten(shared: Platform, script: Scripted) -> None:
    script.keys.append(new_key())
    withdrawn = script.key
    until(lambda: shared.me(withdrawn.sign(claims(script))).status_code == 200, "the key is known")
    script.keys.remove(withdrawn)
    until(lambda: shared.me(withdrawn.sign(claims(script))).status_code == 401, "the key is not known any more")
    assert shared.me(script.key.sign(claims(script))).status_code == 200


def test_made_up_key_ids_do_not_become_requests_to_the_provider(
    provider: Scripted, tmp_path: Path, postgres: str, redis: str
) -> None:
    config = build_platform(tmp_path, postgres, redis, auth=oidc(provider, keys_interval_s=60, keys_age_s=600))
    with backend(config, tmp_path) as running:
        platform = Platform(provider, running, None)
        assert platform.me(provider.key.sign(claims(provider))).status_code == 200
        asked = provider.asked
        for number in range(50):
            assert platform.me(stranger().sign(claims(provider), kid=f"made-up-{number}")).status_code == 401
        assert provider.asked - asked <= 1


@functools.cache
def stranger() -> Key:
    return new_key()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (302, None),
        (200, b"<html>not json</html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b"{" * 100_000),
        (200, b'{"issuer": "http://127.0.0.1:1", "jwks_uri": "http://127.0.0.1:1/keys"}'),
        (200, b'{"issuer": 1, "jwks_uri": []}'),
    ],
    ids=["500", "redirect", "html", "list", "no-keys", "deep", "another-issuer", "wrong-types"],
)
def test_known_keys_survive_whatever_the_provider_answers(
    shared: Platform, script: Scripted, status: int, body: bytes | None
) -> None:
    known = script.key
    assert shared.me(known.sign(claims(script))).status_code == 200
    script.status, script.body = status, body
    asked = time.monotonic()
    while time.monotonic() - asked < 1.3:  # more than the age at which keys are asked for anew
        assert shared.me(known.sign(claims(script))).status_code == 200
        assert shared.me(stranger().sign(claims(script), kid="unknown")).status_code == 401
    assert shared.write(known.sign(claims(script, "acme", ("agent",)))) == 200
    assert ready(shared.backend)[0] == 200


def test_without_any_keys_nobody_gets_in_and_readiness_says_why(tmp_path: Path, postgres: str, redis: str) -> None:
    port = free_port()
    unreachable = Scripted(f"http://127.0.0.1:{port}", [new_key()])
    config = build_platform(tmp_path, postgres, redis, auth=oidc(unreachable))
    with backend(config, tmp_path) as running, running_gateway(config, tmp_path) as gateway:
        platform = Platform(unreachable, running, gateway)
        token = unreachable.key.sign(claims(unreachable, "acme", ("agent",)))
        refused = platform.me(token)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["message"] == "the identity provider is not available"
        assert platform.write(token) == 503
        status, dependency = ready(running)
        assert (status, dependency["ready"]) == (503, False)
        assert str(port) not in (dependency["reason"] or "")
        info = running.client.get(f"{PREFIX}/auth/auth-info").json()
        assert (info["method"], info["token_endpoint"]) == ("oidc", None)
        with scripted(port) as provider:  # recovery without a restart
            provider.keys[:] = unreachable.keys
            until(lambda: platform.me(token).status_code == 200, "the keys are known", 5)
            assert ready(running)[0] == 200
            until(lambda: platform.write(token) == 200, "the gateway knows them too", 5)
        assert platform.me(token).status_code == 200  # and stay known
        assert ready(running)[0] == 200
