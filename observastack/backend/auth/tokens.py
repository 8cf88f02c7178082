"""Access tokens of the backend: issued by the `local` issuer, verified whoever issued them."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from observastack.config import Auth
from observastack.errors import ConfigError
from observastack.identity.claims import Claims, InvalidToken, KeysUnavailable, NotOneTenant
from observastack.identity.discovery import Provider
from observastack.identity.keys import RemoteKeys, key_id, keys_of, public_key
from observastack.identity.verify import ALGORITHM, PATIENCE_S, Verifier

__all__ = ["Claims", "InvalidToken", "KeysUnavailable", "LocalIssuer", "NotOneTenant", "Subject", "Tokens"]


@dataclass(frozen=True)
class Subject:
    """The account that a token is issued to."""

    id: UUID
    username: str
    email: str
    tenant: str | None
    roles: tuple[str, ...]


class LocalIssuer:
    """Signs with the platform's own key. Raises ConfigError when the keys cannot be read or are not a pair."""

    def __init__(self, auth: Auth) -> None:
        if auth.private_key_file is None:
            raise ConfigError("auth.private_key_file is missing", remedy="the local issuer needs a signing key")
        self._auth = auth
        self._public = public_key(auth)
        self._private = _private_key(auth.private_key_file)
        if self._private.public_key().public_numbers() != self._public.public_numbers():
            raise ConfigError(
                "auth.public_key_file does not belong to auth.private_key_file", file=auth.public_key_file
            )
        self.kid = key_id(self._public)

    def issue(self, subject: Subject, family: UUID) -> str:
        """An access token. The `jti` begins with the login's family, so that a logout reaches all its tokens."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "sub": str(subject.id),
            "preferred_username": subject.username,
            "email": subject.email,
            "tenant_id": subject.tenant,
            "roles": list(subject.roles),
            "aud": self._auth.audience,
            "iss": self._auth.issuer,
            "iat": now,
            "exp": now + self._auth.access_ttl_s,
            "jti": f"{family.hex}.{secrets.token_hex(8)}",
        }
        return jwt.encode(claims, self._private, algorithm=ALGORITHM, headers={"kid": self.kid})

    def key_set(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517) with the one public key."""
        key = RSAAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [{**key, "kid": self.kid, "use": "sig", "alg": ALGORITHM}]}


class Tokens:
    """Verifies, and issues when the method is `local`. Raises ConfigError for keys that cannot be used."""

    def __init__(self, auth: Auth) -> None:
        self.keys = keys_of(auth)
        self.local = LocalIssuer(auth) if auth.method == "local" else None
        self._verifier = Verifier(auth, self.keys)

    @property
    def remote(self) -> RemoteKeys | None:
        """The OpenID provider's keys and metadata; None with the local issuer."""
        return self.keys if isinstance(self.keys, RemoteKeys) else None

    def issue(self, subject: Subject, family: UUID) -> str:
        """As LocalIssuer.issue; nobody logs in here with another issuer."""
        assert self.local is not None
        return self.local.issue(subject, family)

    async def provider(self) -> Provider | None:
        """The OpenID provider's endpoints, asked for if they are not known; None as long as it was never reached."""
        if (remote := self.remote) is None:
            return None
        if remote.provider is None:
            await asyncio.wait({asyncio.wrap_future(remote.refresh())}, timeout=PATIENCE_S)
        return remote.provider

    async def verified(self, token: str) -> Claims:
        """Raises InvalidToken, NotOneTenant, KeysUnavailable. May wait for the issuer's keys, never blocks the loop."""
        return await self._verifier.verified(token)

    def verify(self, token: str) -> Claims:
        """As `verified`, with the keys that are known now."""
        return self._verifier.verify(token)


def _private_key(file: Path) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("the signing key cannot be read", file=file, remedy="check the file and its mode") from error
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError("the signing key is not an RSA key", file=file)
    return key
