"""Tokens: got once, renewed in time, one refresh when refused, never shown."""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable

import pytest

from runners.target.identities import Identity
from runners.target.operation import Answer, PreparedRequest
from runners.target.profile import Auth
from runners.target.tokens import LoginRefused, TokenSource, lifetime_of

WHO = Identity("acme-viewer", "acme", ("viewer",), password="secret-password")
AUTH = Auth.model_validate(
    {
        "flow": "json_login",
        "login": {
            "post": "/login", "json": {"username": "{username}", "password": "{password}"},
            "token": "$.access", "refresh": "$.refresh", "expires_in": "$.expires_in",
        },
        "refresh": {"post": "/refresh", "json": {"refresh_token": "{refresh_token}"}},
    }
)  # fmt: skip


class Server:
    """Answers log-ins and refreshes; a refresh token is good once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.good: set[str] = set()
        self.number = 0
        self.refresh_status = 200

    def __call__(self, purpose: str, request: PreparedRequest) -> Answer:
        self.asked.append(purpose)
        if purpose == "auth.login" and request.json["password"] != WHO.password:
            return Answer(401, {}, 0.0)
        if purpose == "auth.refresh":
            if self.refresh_status != 200:
                return Answer(self.refresh_status, {}, 0.0)
            if request.json["refresh_token"] not in self.good:
                return Answer(401, {}, 0.0)
            self.good.discard(request.json["refresh_token"])
        self.number += 1
        self.good.add(f"refresh-{self.number}")
        answer = {"access": f"access-{self.number}", "refresh": f"refresh-{self.number}", "expires_in": 300}
        return Answer(200, answer, 0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(server: Server, clock: Callable[[], float]) -> TokenSource:
    return TokenSource(AUTH, "http://127.0.0.1:1", server, clock=clock)


def test_a_token_is_kept_and_refreshed_before_it_expires(tokens: TokenSource, server: Server, clock: Clock) -> None:
    assert tokens.bearer(WHO) == "access-1"
    clock.now += 269  # 300 s, less the 30 s before the end at which it is renewed
    assert tokens.bearer(WHO) == "access-1"
    clock.now += 2
    assert tokens.bearer(WHO) == "access-2"
    assert server.asked == ["auth.login", "auth.refresh"]
    assert (tokens.logins, tokens.refreshes) == (1, 1)


def test_a_refused_token_costs_one_refresh_however_many_were_refused(tokens: TokenSource, server: Server) -> None:
    token = tokens.bearer(WHO)
    for _ in range(5):
        tokens.invalidate(WHO, token)
        tokens.bearer(WHO)
    assert server.asked == ["auth.login", "auth.refresh"]


def test_a_dead_refresh_token_leads_to_a_new_log_in(tokens: TokenSource, server: Server) -> None:
    tokens.bearer(WHO)
    server.good.clear()
    tokens.invalidate(WHO)
    assert tokens.bearer(WHO) == "access-2"
    assert server.asked == ["auth.login", "auth.refresh", "auth.login"]


def test_a_refresh_token_survives_an_outage(tokens: TokenSource, server: Server) -> None:
    tokens.bearer(WHO)
    tokens.invalidate(WHO)
    server.refresh_status = 503
    with pytest.raises(LoginRefused, match="status 503"):
        tokens.bearer(WHO)
    server.refresh_status = 200
    assert tokens.bearer(WHO) == "access-2"
    assert server.asked == ["auth.login", "auth.refresh", "auth.refresh"]


def test_threads_share_one_log_in(server: Server) -> None:
    def slow(purpose: str, request: PreparedRequest) -> Answer:
        time.sleep(0.02)
        return server(purpose, request)

    tokens = TokenSource(AUTH, "http://127.0.0.1:1", slow)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(tokens.bearer(WHO))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["access-1"] * 8
    assert server.asked == ["auth.login"]


def test_a_refused_log_in_says_who_and_why_but_no_secret(server: Server) -> None:
    tokens = TokenSource(AUTH, "http://127.0.0.1:1", server)
    with pytest.raises(LoginRefused) as caught:
        tokens.bearer(Identity("acme-viewer", "acme", ("viewer",), password="wrong-password"))
    assert "acme-viewer was refused with status 401" in str(caught.value)
    assert "password" not in str(caught.value)


def test_no_secret_shows_in_a_repr_or_a_log(tokens: TokenSource, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        request = tokens.authorize(PreparedRequest("GET", "http://127.0.0.1:1/x", json={"p": 1}), tokens.bearer(WHO))
    shown = f"{tokens!r} {vars(tokens)!r} {WHO!r} {request!r} {caplog.text}"
    assert request.headers == {"Authorization": "Bearer access-1"}
    for secret in ("access-1", "refresh-1", "secret-password"):
        assert secret not in shown


def test_a_static_token_is_taken_from_the_identity(server: Server) -> None:
    tokens = TokenSource(Auth(flow="static_token"), "http://127.0.0.1:1", server)
    assert tokens.bearer(Identity("a", "acme", ("viewer",), token="fixed")) == "fixed"
    with pytest.raises(LoginRefused, match="has no token"):
        tokens.bearer(Identity("b", "acme", ("viewer",)))
    assert server.asked == []


def test_the_lifetime_comes_from_the_token_where_nothing_states_it() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 100, "exp": 160}).encode()).decode().rstrip("=")
    assert lifetime_of(f"h.{claims}.s") == 60
    assert lifetime_of(f"h.{claims}.s", 300) == 300
    assert lifetime_of("opaque") > 86400
