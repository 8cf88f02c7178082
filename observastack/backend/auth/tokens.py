"""Access tokens: RS256 JWTs of the `local` issuer, and the key set that lets others check them."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from observastack.config import Auth
from observastack.errors import ConfigError

ALGORITHM = "RS256"
REQUIRED = ["sub", "aud", "iss", "iat", "exp", "jti"]


class InvalidToken(Exception):
    """Not a token of this issuer for this audience, or no longer valid."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says. expires: Unix seconds; family: the login that it descends from."""

    subject: str
    username: str
    email: str
    tenant: str | None
    roles: tuple[str, ...]
    jti: str
    expires: int

    @property
    def family(self) -> str:
        return self.jti.partition(".")[0]


@dataclass(frozen=True)
class Subject:
    """The account that a token is issued to."""

    id: UUID
    username: str
    email: str
    tenant: str | None
    roles: tuple[str, ...]


class Tokens:
    """Signs and verifies with one key pair. Raises ConfigError when the keys cannot be read or are not a pair."""

    def __init__(self, auth: Auth) -> None:
        if auth.private_key_file is None:
            raise ConfigError("auth.private_key_file is missing", remedy="the local issuer needs a signing key")
        self._auth = auth
        self._public = _public_key(auth.public_key_file)
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

    def verify(self, token: str) -> Claims:
        """Raises InvalidToken: wrong signature, algorithm, key, issuer, audience, time, or a claim of a wrong type."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("kid", self.kid) != self.kid:
                raise InvalidToken("unknown key")
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=self._auth.audience,
                issuer=self._auth.issuer,
                options={"require": REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise InvalidToken(str(error)) from error
        tenant, roles = claims.get("tenant_id"), claims.get("roles")
        if not (tenant is None or isinstance(tenant, str)) or not isinstance(roles, list):
            raise InvalidToken("tenant_id or roles have a wrong type")
        return Claims(
            subject=str(claims["sub"]),
            username=str(claims.get("preferred_username", "")),
            email=str(claims.get("email", "")),
            tenant=tenant,
            roles=tuple(str(role) for role in roles),
            jti=str(claims["jti"]),
            expires=int(claims["exp"]),
        )

    def key_set(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517) with the one public key."""
        key = RSAAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [{**key, "kid": self.kid, "use": "sig", "alg": ALGORITHM}]}


def key_id(public: RSAPublicKey) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the key's SubjectPublicKeyInfo (DER)."""
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()[:16]


def _public_key(file: Path) -> RSAPublicKey:
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the public key cannot be read: {error}", file=file) from error
    if not isinstance(key, RSAPublicKey):
        raise ConfigError("the public key is not an RSA key", file=file)
    return key


def _private_key(file: Path) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("the signing key cannot be read", file=file, remedy="check the file and its mode") from error
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError("the signing key is not an RSA key", file=file)
    return key
