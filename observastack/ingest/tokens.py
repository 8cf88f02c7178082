"""Access tokens: who writes, and for which tenant."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import jwt

from observastack.config import Auth, read_secret
from observastack.errors import ConfigError

WRITERS = frozenset({"agent", "tenant_admin"})
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_REMEMBERED = 4096


class Unauthorized(Exception):
    """No valid token: 401."""


class Forbidden(Exception):
    """A valid token that may not write: 403."""


@dataclass(frozen=True, slots=True)
class Writer:
    """tenant: exactly one key. expires: Unix seconds."""

    tenant: str
    expires: float


class TokenVerifier:
    """RS256 and nothing else, with audience, issuer and expiry. Raises ConfigError for an unusable key.

    A verified token is remembered until it expires: the signature costs more than all the rest of a small request.
    """

    def __init__(self, auth: Auth) -> None:
        file = auth.public_key_file
        try:
            self._key: Any = jwt.get_algorithm_by_name("RS256").prepare_key(read_secret(file))
        except (jwt.InvalidKeyError, ValueError, TypeError) as error:
            raise ConfigError(
                "is not an RSA public key in PEM format", file=file, remedy="see auth.public_key_file"
            ) from error
        self._issuer, self._audience = auth.issuer, auth.audience
        self._known: dict[str, Writer] = {}

    def writer(self, authorization: str | None) -> Writer:
        """From the value of the Authorization header. Raises Unauthorized, Forbidden."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not (token := token.strip()):
            raise Unauthorized("a bearer token is required")
        known = self._known.get(token)
        if known is None:
            known = self._verify(token)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[token] = known
        if known.expires <= time.time():
            self._known.pop(token, None)
            raise Unauthorized("the token has expired")
        return known

    def _verify(self, token: str) -> Writer:
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["RS256"], audience=self._audience, issuer=self._issuer,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired") from None
        except jwt.InvalidTokenError:
            raise Unauthorized("the token is not valid here") from None  # why not is nobody's business
        tenant, roles = claims.get("tenant_id"), claims.get("roles")
        if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
            raise Forbidden("the token must name exactly one tenant")
        if not isinstance(roles, list) or not any(isinstance(role, str) and role in WRITERS for role in roles):
            raise Forbidden("writing telemetry needs the role agent or tenant_admin")
        return Writer(tenant, float(claims["exp"]))
