"""Checking an access token: the same for every issuer, in the backend and in the gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from observastack import defects
from observastack.config import Auth
from observastack.identity.claims import Claims, Expired, InvalidToken, KeysUnavailable, NotOneTenant, UnknownKey
from observastack.identity.keys import Keys

ALGORITHM = "RS256"
REQUIRED = ["sub", "aud", "iss", "iat", "exp", "jti"]
GROUPS = "/tenants/"  # a group of this path is a membership of a tenant
PATIENCE_S = 2.5  # for keys that are fetched while a request waits


class Verifier:
    """RS256 and nothing else, with issuer, audience, times and exactly one tenant."""

    def __init__(self, auth: Auth, keys: Keys) -> None:
        self._auth, self._keys = auth, keys

    async def verified(self, token: str) -> Claims:
        """As `verify`; asks the issuer for its keys when the token's is not known. Never blocks the event loop."""
        try:
            return self.verify(token)
        except (UnknownKey, KeysUnavailable):
            await asyncio.wait({asyncio.wrap_future(self._keys.refresh())}, timeout=PATIENCE_S)
            return self.verify(token)

    def verify(self, token: str) -> Claims:
        """With the keys that are known now. Raises InvalidToken (its kinds: UnknownKey, Expired), NotOneTenant,
        KeysUnavailable."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header)
            claims = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=self._auth.audience, issuer=self._auth.issuer,
                leeway=self._auth.leeway_s, options=_options(token, header, key),
            )  # fmt: skip
        except jwt.ExpiredSignatureError as error:
            raise Expired(str(error)) from error
        except jwt.PyJWTError as error:
            raise InvalidToken(str(error)) from error
        return _claims(claims)

    def _key(self, header: dict[str, Any]) -> RSAPublicKey:
        if not self._keys.known:
            raise KeysUnavailable("the issuer's keys are not known yet")
        kid = header.get("kid")
        key = self._keys.find(kid)
        if key is None:
            raise UnknownKey(f"key {kid!r} is not known")
        return key


def _claims(claims: dict[str, Any]) -> Claims:
    """Raises InvalidToken for a claim of a wrong type, NotOneTenant."""
    tenant, roles = claims.get("tenant_id"), claims.get("roles")
    if not isinstance(roles, list):
        raise InvalidToken("roles are no list")
    if not (tenant is None or isinstance(tenant, str)):
        raise NotOneTenant("tenant_id is not one text")
    session = claims.get("sid")
    found = Claims(
        subject=str(claims["sub"]),
        username=str(claims.get("preferred_username", "")),
        email=str(claims.get("email", "")),
        tenant=tenant,
        roles=tuple(str(role) for role in roles),
        jti=str(claims["jti"]),
        expires=int(claims["exp"]),
        name=str(claims.get("name") or claims.get("preferred_username", "")),
        session=session if isinstance(session, str) and session else None,
    )
    member = _memberships(claims)
    if member and member != {tenant} and not defects.active("groups_unchecked"):
        raise NotOneTenant("the account's groups and its tenant disagree")
    if tenant is None and "admin" not in found.roles:
        raise NotOneTenant("the account belongs to no tenant")
    if tenant is not None and "admin" in found.roles:
        # At a provider it is easily done: a role for all who sit in a group. It must not open every other tenant.
        raise NotOneTenant("a platform admin belongs to no tenant")
    return found


def _memberships(claims: dict[str, Any]) -> set[str]:
    """Tenants by the groups. Keycloak puts one tenant into the token of a user who is in two: only the groups tell."""
    groups = claims.get("groups")
    names = [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []
    return {name.removeprefix(GROUPS) for name in names if name.startswith(GROUPS)}


def _options(token: str, header: dict[str, Any], key: RSAPublicKey) -> Any:
    unsigned = header.get("alg") == "none" and defects.active("alg_none")
    confused = header.get("alg") == "HS256" and defects.active("alg_confusion") and _keyed_with(token, key)
    return {
        "require": REQUIRED,
        "verify_signature": not (unsigned or confused),
        "verify_exp": not defects.active("token_no_exp"),
        "verify_nbf": not defects.active("nbf_unchecked"),
        "verify_iat": True,
        "verify_aud": not defects.active("aud_unchecked"),
        "verify_iss": not defects.active("iss_unchecked"),
    }


def _keyed_with(token: str, key: RSAPublicKey) -> bool:
    """Whether the published key, as an HMAC secret, signed this (RFC 8725, 2.1): part of the defect alg_confusion.
    By hand, for PyJWT itself refuses to be confused."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization
    from jwt.utils import base64url_encode

    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed, _, signature = token.rpartition(".")
    return signature == base64url_encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest()).decode()
