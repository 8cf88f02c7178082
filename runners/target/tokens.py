"""Bearer tokens: logged in once per identity, kept, refreshed before they expire, and once more when refused.

Works from threads, and from greenlets when given a cooperative lock. One identity has one log-in or refresh under
way at a time, because a rotating refresh token may be used only once.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from runners.target import jsonpath
from runners.target.identities import Identity
from runners.target.oidc import SERVICE, LoginRefused, Provider
from runners.target.operation import Answer, PreparedRequest, prepare
from runners.target.profile import Auth, Request

EARLY_SHARE = 0.2  # refreshed when a fifth of the lifetime is left,
EARLY_MAX_S = 30.0  # but never more than this before the end
ENDLESS_S = 365 * 86400.0  # a token that tells no lifetime


Lock = AbstractContextManager[Any]


class Send(Protocol):
    """Sends a request of the named purpose (auth.login, auth.refresh) and returns the answer."""

    def __call__(self, purpose: str, request: PreparedRequest, /) -> Answer: ...


__all__ = ["Lock", "LoginRefused", "Send", "TokenSource", "lifetime_of"]

_PLACES = {"token": "$.access_token", "refresh": "$.refresh_token", "expires_in": "$.expires_in"}  # RFC 6749, 5.1


@dataclass
class _Held:
    """What is known of one identity's session; never shown."""

    lock: Lock = field(repr=False)
    access: str | None = field(default=None, repr=False)
    refresh: str | None = field(default=None, repr=False)
    renew_at: float = 0.0


class TokenSource:
    """Bearer tokens of any identity. clock: seconds that never go back. lock: makes one; gevent needs its own kind.

    provider: with the flows of OpenID Connect.
    """

    def __init__(
        self,
        auth: Auth,
        base: str,
        send: Send,
        provider: Provider | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        lock: Callable[[], Lock] = threading.Lock,
    ) -> None:
        self._auth, self._base, self._send, self._clock = auth, base, send, clock
        self._provider = provider
        self._held: dict[Identity, _Held] = {}
        self._lock = lock
        self._guard = lock()
        self.logins = 0
        self.refreshes = 0

    def __repr__(self) -> str:
        return f"<TokenSource flow={self._auth.flow} identities={len(self._held)}>"

    def bearer(self, identity: Identity) -> str:
        """A token that is good for some time yet. Raises LoginRefused; transport errors pass through."""
        if self._auth.flow == "static_token":
            if not identity.token:
                raise LoginRefused(
                    f"identity {identity.username} has no token", remedy="give it a 'token' in the identities file"
                )
            return identity.token
        held = self._of(identity)
        with held.lock:
            if held.access is None or self._clock() >= held.renew_at:
                self._renew(identity, held)
            assert held.access is not None
            return held.access

    def invalidate(self, identity: Identity, token: str | None = None) -> None:
        """The token was refused: the next `bearer` gets a new one. token: only if it is still this one, so that many
        callers that were refused together cause one refresh."""
        held = self._of(identity)
        with held.lock:
            if token is None or held.access == token:
                held.access = None

    def forget(self, identity: Identity) -> None:
        """Drop the session altogether: the next `bearer` logs in."""
        held = self._of(identity)
        with held.lock:
            held.access = held.refresh = None

    def authorize(self, request: PreparedRequest, token: str) -> PreparedRequest:
        return request.with_header(self._auth.header, f"{self._auth.scheme} {token}".strip())

    def refresh_token(self, identity: Identity) -> str | None:
        """The refresh token held for this identity, if any."""
        return self._of(identity).refresh

    def renews_in(self, identity: Identity) -> float | None:
        """Seconds until the token is renewed; None when there is none yet."""
        held = self._of(identity)
        return None if held.access is None else held.renew_at - self._clock()

    def _of(self, identity: Identity) -> _Held:
        with self._guard:
            return self._held.setdefault(identity, _Held(self._lock()))

    def _renew(self, identity: Identity, held: _Held) -> None:
        if held.refresh is not None and (self._provider is not None or self._auth.refresh is not None):
            token, held.refresh = held.refresh, None  # used once, whatever comes
            answer = self._send("auth.refresh", self._refreshing(token))
            if answer.ok and self._take(held, answer, self._auth.refresh):
                self.refreshes += 1
                return
            if answer.status == 0 or answer.status >= 500 or answer.status == 429:
                held.refresh = token  # not used up: it was not the token that failed
                raise LoginRefused(f"refreshing the session of {identity.username} failed with status {answer.status}")
        answer = self._send("auth.login", self._logging_in(identity))
        if not answer.ok:
            raise LoginRefused(f"log-in of {identity.username} was refused with status {answer.status}")
        if not self._take(held, answer, self._auth.login):
            raise LoginRefused(
                f"the answer to the log-in of {identity.username} has no token at {self._place('token', None)}",
                remedy="mend auth.login.token in the target profile",
            )
        self.logins += 1

    def _logging_in(self, identity: Identity) -> PreparedRequest:
        if self._provider is None:
            assert self._auth.login is not None
            variables = {"username": identity.username, "password": identity.password}
            return prepare(self._auth.login, self._base, variables)
        if identity.kind == SERVICE:
            return self._provider.client()
        by_page = self._auth.flow == "oidc_code"
        return self._provider.code(identity) if by_page else self._provider.password(identity)

    def _refreshing(self, token: str) -> PreparedRequest:
        if self._provider is not None:
            return self._provider.renewal(token)
        assert self._auth.refresh is not None
        return prepare(self._auth.refresh, self._base, {"refresh_token": token})

    def _place(self, name: str, block: Request | None) -> str | None:
        """Where a part of the answer lies."""
        if self._provider is not None:
            return _PLACES[name]
        found: str | None = getattr(block, name, None) or getattr(self._auth.login, name)
        return found

    def _take(self, held: _Held, answer: Answer, block: Request | None) -> bool:
        def at(name: str) -> Any:
            path = self._place(name, block)
            return None if path is None else jsonpath.parse(path).value(answer.json)

        access = at("token")
        if not isinstance(access, str) or not access:
            return False
        lifetime = lifetime_of(access, at("expires_in"))
        held.access, held.refresh = access, at("refresh")
        held.renew_at = self._clock() + lifetime - min(EARLY_MAX_S, EARLY_SHARE * lifetime)
        return True


def lifetime_of(token: str, stated: Any = None) -> float:
    """Seconds a token lives: as stated beside it, else exp - iat of a JWT (RFC 7519), else endless."""
    if isinstance(stated, int | float) and stated > 0:
        return float(stated)
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return max(0.0, float(claims["exp"]) - float(claims.get("iat", time.time())))
    except (IndexError, ValueError, KeyError, TypeError):
        return ENDLESS_S
