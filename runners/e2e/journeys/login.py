"""Signing in, staying in, signing out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from runners.e2e.journey import Absent, Broken, Unassessed, check, equal, journey
from runners.e2e.scene import Scene
from runners.target import Answer, Identity


def _login(scene: Scene, username: str, password: str) -> Answer:
    return scene.call("auth.login", None, username=username, password=password)


def _session(scene: Scene, who: Identity) -> tuple[str, str | None]:
    """A session of its own: (access token, refresh token), so that ending it disturbs nobody."""
    if scene.target.profile.auth.flow == "static_token":
        raise Absent("tokens of this target are given once and for all")
    source = scene.target.token_source(lambda _purpose, request: scene.target.send(request))
    return source.bearer(who), source.refresh_token(who)


def _as(scene: Scene, token: str, name: str = "auth.me", **variables: Any) -> Answer:
    request = scene.operation(name).request(**variables)
    return scene.target.send(scene.target.tokens.authorize(request, token))


@journey("login.names-the-tenant-and-role", "auth.me")
def names_the_tenant(scene: Scene) -> None:
    """Whoever signs in is told to be of exactly one tenant: their own."""
    for tenant in scene.target.tenants:
        answer = scene.ok("auth.me", scene.who("viewer", tenant))
        equal(scene.target.told_tenant(answer), tenant, f"the tenant of {tenant}'s viewer")


@journey("login.refuses-a-wrong-password", "auth.login")
def refuses_wrong_password(scene: Scene) -> None:
    """A wrong password is refused, with the same answer as a user who does not exist."""
    who = scene.who("viewer")
    scene.ok("auth.login", None, username=who.username, password=who.password)
    wrong = _login(scene, who.username, f"{who.password[:-1]}{'x' if who.password[-1:] != 'x' else 'y'}")
    unknown = _login(scene, f"nobody-{scene.mark}", who.password)
    scene.turned_down("auth.login", wrong, "a wrong password was accepted")
    scene.same_refusal(unknown, wrong, "the answer for an unknown user, beside that for a wrong password")
    other_case = _login(scene, who.username, who.password.swapcase())
    scene.turned_down("auth.login", other_case, "the password in the other case was accepted")


@journey("login.refuses-who-may-not", "auth.login")
def refuses_negatives(scene: Scene) -> None:
    """A disabled user, one without a tenant and one with two get no session."""
    negatives = scene.target.identities.negatives()
    if not negatives:
        raise Absent("the identities name nobody who must be refused")
    for who in negatives:
        answer = _login(scene, who.username, who.password)
        check(answer.status in (400, 401, 403), f"{who.username} was answered with {answer.status}")


@journey("login.needs-a-token", "search.logs")
def needs_a_token(scene: Scene) -> None:
    """Without a token, with a damaged one and with one that nobody signed, nothing is answered."""
    window = scene.window
    unauthenticated = scene.target.profile.expect.unauthenticated
    for name, variables in _readable(scene, window):
        scene.refused(name, None, unauthenticated, "no token was sent", **variables)
    token = scene.target.tokens.bearer(scene.who("viewer"))
    forged = [token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB"), "x" * 40]
    if token.count(".") == 2:
        forged += [_unsigned(token), *_confused(scene, token), *_resigned(token)]
    genuine = _as(scene, token, "search.logs", **window)
    if not genuine.ok:
        raise Unassessed(f"search.logs answered {genuine.status} to a good token")
    for number, fake in enumerate(forged):
        answer = _as(scene, fake, "search.logs", **window)
        check(answer.status in unauthenticated, f"forged token {number + 1} was answered with {answer.status}")


def _readable(scene: Scene, window: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("auth.me", {}), ("search.logs", window), ("search.export", {**window, "type": "logs"}),
        ("metrics.query", {"query": "up"}), ("traces.get", {"trace_id": "0" * 31 + "1"}), ("alerts.list", {}),
        ("insights.dashboard", {}), ("admin.users", {}), ("admin.audit_logs", {}), ("search.history", {}),
    ]  # fmt: skip
    return [(name, variables) for name, variables in wanted if scene.target.operation(name) is not None]


def _unsigned(token: str) -> str:
    """RFC 7519 section 6: an unsecured JWT with the same claims."""
    return ".".join((_encode({"alg": "none", "typ": "JWT"}), token.split(".")[1], ""))


def _confused(scene: Scene, token: str) -> list[str]:
    """HS256 with the public key as its secret: what a verifier accepts that trusts the header's algorithm."""
    if scene.target.operation("auth.jwks") is None:
        return []
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    fakes = []
    for key in scene.items("auth.jwks", None):
        if key.get("kty") != "RSA":
            continue
        public = RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        for secret in (pem, pem.strip()):
            signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT', 'kid': key.get('kid')})}.{token.split('.')[1]}"
            digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            fakes.append(f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}")
    return fakes


def _resigned(token: str) -> list[str]:
    """The same header over other claims: the signature does not fit."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return [f"{head}.{_encode(claims | {'roles': ['admin'], 'exp': int(time.time()) + 86_400})}.{signature}"]


def _encode(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


@journey("login.refresh-rotates", "auth.refresh", "auth.me")
def refresh_rotates(scene: Scene) -> None:
    """A refresh token is good once; who uses it twice has lost the session, the thief included."""
    _, first = _session(scene, scene.who("viewer"))
    if first is None:
        raise Absent("the log-in gives no refresh token")
    renewed = scene.ok("auth.refresh", None, refresh_token=first)
    block = scene.target.profile.auth.refresh or scene.target.profile.auth.login
    second = _at(scene, renewed, getattr(block, "refresh", None))
    again = scene.call("auth.refresh", None, refresh_token=first)
    scene.turned_down("auth.refresh", again, "a used refresh token was accepted")
    if second is not None:
        stolen = scene.call("auth.refresh", None, refresh_token=second)
        scene.turned_down("auth.refresh", stolen, "after the reuse of a refresh token its successor still works")


def _at(scene: Scene, answer: Answer, path: str | None) -> Any:
    from runners.target import jsonpath

    login = scene.target.profile.auth.login
    path = path or (login.refresh if login else None)
    return None if path is None else jsonpath.parse(path).value(answer.json)


@journey("login.logout-ends-the-session", "auth.logout", "auth.me")
def logout_ends(scene: Scene) -> None:
    """After signing out neither the access token nor the refresh token is good for anything."""
    token, refresh = _session(scene, scene.who("viewer"))
    equal(_as(scene, token).status, 200, "auth.me before signing out")
    check(_as(scene, token, "auth.logout").ok, "signing out failed")
    after = _as(scene, token)
    check(after.status in scene.target.profile.expect.unauthenticated, f"the token still works: {after.status}")
    if refresh is not None and scene.target.operation("auth.refresh") is not None:
        renewed = scene.call("auth.refresh", None, refresh_token=refresh)
        scene.turned_down("auth.refresh", renewed, "the refresh token still works after signing out")


@journey("login.tokens-expire-and-say-when", "auth.me")
def tokens_expire(scene: Scene) -> None:
    """An access token says when it ends, and that is within a day."""
    token, _ = _session(scene, scene.who("viewer"))
    if token.count(".") != 2:
        raise Absent("the tokens of this target are not JWTs")
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if not isinstance(claims.get("exp"), int | float):
        raise Broken("the token has no end")
    left = claims["exp"] - time.time()
    check(0 < left <= 86_400, f"the token is good for {left:,.0f} s")
