"""Access tokens: who writes, and for which tenant.

The gateway does not ask the deny-list: a session that was ended can write until its access token expires, some minutes
at most. Asking would make Redis a dependency of every write, which today survives everything but PostgreSQL; and what
ends by a logout is a person's session, while telemetry is written by agents, whose account is disabled instead.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from observastack import defects
from observastack.config import Auth
from observastack.identity.claims import Expired, InvalidToken, KeysUnavailable, NotOneTenant
from observastack.identity.keys import keys_of
from observastack.identity.verify import Verifier

WRITERS = frozenset({"agent", "tenant_admin"})
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_REMEMBERED = 4096


class Unauthorized(Exception):
    """No valid token: 401."""


class Forbidden(Exception):
    """A valid token that may not write: 403."""


class Undecided(Exception):
    """No token can be judged, because the issuer's keys are not known: 503."""


@dataclass(frozen=True, slots=True)
class Writer:
    """tenant: exactly one key. expires: Unix seconds."""

    tenant: str
    expires: float


class TokenVerifier:
    """Who writes, by a token that the shared verifier accepts. Raises ConfigError for an unusable key.

    A verified token is remembered until it expires: the signature costs more than all the rest of a small request.
    """

    def __init__(self, auth: Auth) -> None:
        self._keys = keys_of(auth)
        self._verifier = Verifier(auth, self._keys)
        self._known: dict[str, Writer] = {}

    def fetch_keys(self) -> None:
        """Begin to ask the issuer, in a thread: the first write need not wait for it."""
        if not self._keys.known:
            self._keys.refresh()

    async def writer(self, authorization: str | None) -> Writer:
        """From the value of the Authorization header. Raises Unauthorized, Forbidden, Undecided."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not (token := token.strip()):
            raise Unauthorized("a bearer token is required")
        known = self._known.get(token)
        if known is None:
            known = await self._verify(token)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[token] = known
        if known.expires <= time.time() and not defects.active("token_no_exp"):
            self._known.pop(token, None)
            raise Unauthorized("the token has expired")
        return known

    async def _verify(self, token: str) -> Writer:
        try:
            claims = await self._verifier.verified(token)
        except Expired:
            raise Unauthorized("the token has expired") from None
        except InvalidToken:
            raise Unauthorized("the token is not valid here") from None  # why not is nobody's business
        except NotOneTenant:
            raise Forbidden("the token must name exactly one tenant") from None
        except KeysUnavailable:
            raise Undecided("the identity provider is not available") from None
        if claims.tenant is None or not _TENANT.fullmatch(claims.tenant):
            raise Forbidden("the token must name exactly one tenant")
        if WRITERS.isdisjoint(claims.roles) and not defects.active("ingest_no_auth_role"):
            raise Forbidden("writing telemetry needs the role agent or tenant_admin")
        return Writer(claims.tenant, float(claims.expires))
