"""Finding an OpenID provider's endpoints and keys (OpenID Connect Discovery 1.0, RFC 7517).

With the standard library alone: the ingest gateway uses this too, and must listen a tenth of a second after its start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

TIMEOUT_S = 3.0
MAX_BYTES = 1 << 20
MIN_BITS = 2048
WELL_KNOWN = "/.well-known/openid-configuration"


class Unusable(Exception):
    """The provider does not answer, or not as one. The message names no address."""


@dataclass(frozen=True)
class Provider:
    """metadata: the discovery document; keys: those that sign with RS256, by key id."""

    metadata: Mapping[str, Any]
    keys: Mapping[str, RSAPublicKey]

    def endpoint(self, name: str) -> str | None:
        """Such as `token_endpoint`."""
        found = self.metadata.get(name)
        return found if isinstance(found, str) else None


def discover(issuer: str, *, via: str | None = None, timeout_s: float = TIMEOUT_S) -> Provider:
    """Two requests. timeout_s: of each read. Raises Unusable.

    via: scheme://host:port to ask in place of the issuer's. What the document says of itself still counts: only addresses
    below the issuer's own origin are asked there.
    """
    metadata = _json(_via(issuer.rstrip("/") + WELL_KNOWN, issuer, via), timeout_s)
    # Section 4.3: a document that speaks for another issuer must not be used.
    if metadata.get("issuer") != issuer:
        raise Unusable("its discovery document is another issuer's")
    if not isinstance(uri := metadata.get("jwks_uri"), str):
        raise Unusable("its discovery document names no keys")
    keys = signing_keys(_json(_via(uri, issuer, via), timeout_s))
    if not keys:
        raise Unusable("it has no key that signs with RS256")
    return Provider(metadata, keys)


def signing_keys(key_set: Mapping[str, Any]) -> dict[str, RSAPublicKey]:
    """RS256 keys with an id. Keys for encryption, of other kinds or too short are left out."""
    from jwt.algorithms import RSAAlgorithm
    from jwt.exceptions import InvalidKeyError

    found: dict[str, RSAPublicKey] = {}
    listed = key_set.get("keys")
    for key in listed if isinstance(listed, list) else ():
        if not isinstance(key, dict) or key.get("kty") != "RSA" or not isinstance(key.get("kid"), str):
            continue
        if key.get("use", "sig") != "sig" or key.get("alg", "RS256") != "RS256":
            continue
        try:
            public = RSAAlgorithm.from_jwk({name: key[name] for name in ("kty", "n", "e")})
        except (InvalidKeyError, ValueError, KeyError, TypeError):
            continue
        if isinstance(public, RSAPublicKey) and public.key_size >= MIN_BITS:
            found[key["kid"]] = public
    return found


def _via(url: str, issuer: str, via: str | None) -> str:
    asked, named = urlsplit(url), urlsplit(issuer)
    if via is None or (asked.scheme, asked.netloc) != (named.scheme, named.netloc):
        return url
    other = urlsplit(via)
    return asked._replace(scheme=other.scheme, netloc=other.netloc).geturl()


def _json(url: str, timeout_s: float) -> dict[str, Any]:
    import http.client

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unusable("one of its addresses is no http(s) URL")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    # No proxy and no redirect: the address in the configuration and in its document is the one that is trusted.
    connection = kind(parts.hostname, parts.port, timeout=timeout_s)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unusable("it does not answer") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Unusable(f"it answers with status {answer.status}")
    try:
        document = json.loads(body) if len(body) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Unusable("its answer is not a JSON object")
    return document
