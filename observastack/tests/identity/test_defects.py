"""Each defect of identity breaks the one behaviour that its name says, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from observastack.tests.backend.serving import Backend, backend, until
from observastack.tests.gateway import running_gateway
from observastack.tests.identity.conftest import Platform, oidc
from observastack.tests.identity.issuers import Local, Refused, Scripted, SignedIn, claims, new_key, scripted
from observastack.tests.platform import PASSWORD, build_platform
from tests.servers import free_port, redis_server

FIRST = (
    "token_no_exp", "nbf_unchecked", "aud_unchecked", "iss_unchecked", "alg_confusion", "alg_none", "login_enumerates",
    "disabled_user_logs_in", "two_tenants_first_wins", "password_case_insensitive", "refresh_reuse", "logout_noop",
    "refresh_never_expires", "groups_unchecked",
)  # fmt: skip
# Those that the first set hides: with refresh_reuse nothing is ever a second use, with logout_noop no session ends.
SECOND = ("reuse_keeps_family", "logout_keeps_refresh", "refresh_when_disabled", "denylist_fail_open")


def sql(platform: Platform, statement: str) -> None:
    with psycopg.connect(**platform.backend.config.database.connection("owner")) as connection:
        connection.execute(statement.encode())


def accepts(platform: Platform, token: str) -> bool:
    answer = platform.me(token)
    assert answer.status_code in (200, 401, 403), answer.text
    return answer.status_code == 200


def lets_in(platform: Platform, username: str, password: str = PASSWORD) -> bool:
    try:
        platform.issuer.sign_in(username, password)
    except Refused:
        return False
    return True


def renews(platform: Platform, refresh: str) -> SignedIn | None:
    try:
        return platform.issuer.renew(refresh)
    except Refused:
        return None


def signed(platform: Platform, **changes: Any) -> str:
    return platform.issuer.key.sign(claims(platform.issuer, **changes))


def _ends_with_logout(platform: Platform) -> bool:
    session = platform.issuer.sign_in("acme-viewer")
    assert platform.post("/auth/logout", session.access).status_code == 204
    return accepts(platform, session.access)


def _renews_after_logout(platform: Platform) -> bool:
    session = platform.issuer.sign_in("acme-viewer")
    assert platform.post("/auth/logout", session.access).status_code == 204
    return renews(platform, session.refresh) is not None


def _uses_twice(platform: Platform) -> bool:
    session = platform.issuer.sign_in("acme-editor")
    assert renews(platform, session.refresh)
    return renews(platform, session.refresh) is not None


def _session_survives_reuse(platform: Platform) -> bool:
    session = platform.issuer.sign_in("acme-editor")
    second = renews(platform, session.refresh)
    assert second is not None
    renews(platform, session.refresh)
    return accepts(platform, second.access)


def _renews_expired(platform: Platform) -> bool:
    session = platform.issuer.sign_in("globex-editor")
    sql(
        platform,
        "UPDATE refresh_tokens SET expires_at = now() - interval '1 s' FROM users"
        " WHERE users.id = user_id AND username = 'globex-editor'",
    )
    return renews(platform, session.refresh) is not None


def _renews_disabled(platform: Platform) -> bool:
    session = platform.issuer.sign_in("initech-editor")
    sql(platform, "UPDATE users SET enabled = false WHERE username = 'initech-editor'")
    try:
        return renews(platform, session.refresh) is not None
    finally:
        sql(platform, "UPDATE users SET enabled = true WHERE username = 'initech-editor'")


def _tells_unknown_users(platform: Platform) -> bool:
    said = []
    for username in ("nobody-at-all", "acme-viewer"):
        with pytest.raises(Refused) as refused:
            platform.issuer.sign_in(username, "wrong")
        said.append((refused.value.status, refused.value.document["error"]["message"]))
    return said[0] != said[1]


# What must not be possible; true where it is.
HOLES: dict[str, Callable[[Platform], bool]] = {
    "token_no_exp": lambda it: accepts(it, signed(it, exp=int(time.time()) - 60)),
    "nbf_unchecked": lambda it: accepts(it, signed(it, nbf=int(time.time()) + 3600)),
    "aud_unchecked": lambda it: accepts(it, signed(it, aud="somebody-else")),
    "iss_unchecked": lambda it: accepts(it, signed(it, iss="http://127.0.0.1:1")),
    "alg_confusion": lambda it: accepts(it, it.issuer.key.confuse(claims(it.issuer))),
    "alg_none": lambda it: accepts(it, it.issuer.key.unsigned(claims(it.issuer))),
    "groups_unchecked": lambda it: accepts(it, signed(it, groups=["/tenants/acme", "/tenants/globex"])),
    "login_enumerates": _tells_unknown_users,
    "disabled_user_logs_in": lambda it: lets_in(it, "disabled"),
    "two_tenants_first_wins": lambda it: lets_in(it, "two-tenants"),
    "password_case_insensitive": lambda it: lets_in(it, "acme-viewer", PASSWORD.swapcase()),
    "refresh_reuse": _uses_twice,
    "reuse_keeps_family": _session_survives_reuse,
    "refresh_never_expires": _renews_expired,
    "refresh_when_disabled": _renews_disabled,
    "logout_noop": _ends_with_logout,
    "logout_keeps_refresh": _renews_after_logout,
}
# A defect that opens another's hole too: whoever is never logged out, and whose reuse is no reuse.
ALSO = {"logout_noop": {"logout_keeps_refresh"}, "refresh_reuse": {"reuse_keeps_family"}}


@pytest.fixture(scope="module", params=[(), FIRST, SECOND], ids=["none", "first", "second"])
def switched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: str
) -> Iterator[tuple[frozenset[str], Platform]]:
    """One process with all defects that do not hide each other, on a Redis that can be killed."""
    folder = tmp_path_factory.mktemp("switched")
    with ExitStack() as stack:
        config = build_platform(folder, postgres, stack.enter_context(redis_server()))
        defects = ",".join(request.param)
        running = stack.enter_context(backend(config, folder, defects=defects))
        gateway = stack.enter_context(running_gateway(config, folder, {"OBSERVASTACK_DEFECTS": defects}))
        yield frozenset(request.param), Platform(Local(running), running, gateway)


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_there_exactly_when_its_defect_is_on(switched: tuple[frozenset[str], Platform], name: str) -> None:
    on, platform = switched
    expected = on.union(*(ALSO.get(defect, set()) for defect in on))
    assert HOLES[name](platform) is (name in expected)


def test_what_is_right_stays_right(switched: tuple[frozenset[str], Platform]) -> None:
    _, platform = switched
    assert not lets_in(platform, "acme-viewer", "wrong")
    assert not lets_in(platform, "no-tenant")
    session = platform.issuer.sign_in("acme-analyst")
    assert platform.me(session.access).json()["roles"] == ["analyst"]
    assert renews(platform, session.refresh)
    assert not accepts(platform, new_key().sign(claims(platform.issuer), kid=platform.issuer.key.kid))


def test_the_gateway_shares_the_holes_of_the_verifier(switched: tuple[frozenset[str], Platform]) -> None:
    on, platform = switched
    issuer = platform.issuer
    writer = ("acme", ("agent",))
    wrong: dict[str, dict[str, Any]] = {
        "token_no_exp": {"exp": int(time.time()) - 60},
        "aud_unchecked": {"aud": "somebody-else"},
        "iss_unchecked": {"iss": "http://127.0.0.1:1"},
    }
    for name, changes in wrong.items():
        token = issuer.key.sign(claims(issuer, *writer, **changes))
        assert platform.write(token) == (200 if name in on else 401), name
    assert platform.write(issuer.key.confuse(claims(issuer, *writer))) == (200 if "alg_confusion" in on else 401)


def test_without_redis_an_ended_session_stays_ended(switched: tuple[frozenset[str], Platform]) -> None:
    """Last of this module's tests: it takes Redis away."""
    on, platform = switched
    if "logout_noop" in on:
        return  # no session ends there in the first place
    session = platform.issuer.sign_in("acme-viewer")
    assert platform.post("/auth/logout", session.access).status_code == 204
    assert platform.me(session.access).status_code == 401
    _kill_redis(platform.backend)
    assert platform.me(session.access).status_code == (200 if "denylist_fail_open" in on else 503)


def _kill_redis(running: Backend) -> None:
    cache = Redis(port=running.config.redis.port)
    os.kill(int(cache.info("server")["process_id"]), signal.SIGKILL)


@pytest.mark.parametrize("defect", ["", "jwks_never_refreshed"])
def test_only_jwks_never_refreshed_misses_a_rotation(tmp_path: Path, postgres: str, redis: str, defect: str) -> None:
    with scripted(free_port()) as provider:
        config = build_platform(tmp_path, postgres, redis, auth=oidc(provider))
        with backend(config, tmp_path, defects=defect) as running:
            platform = Platform(provider, running, None)
            assert accepts(platform, _token(provider))
            provider.keys.append(new_key())
            if defect:
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    assert not accepts(platform, _token(provider))
            else:
                until(lambda: accepts(platform, _token(provider)), "the new key is known", 5)


def _token(provider: Scripted) -> str:
    return provider.key.sign(claims(provider))
