"""Where the keys that verify tokens come from: a file (local issuer), or an OpenID provider found by discovery."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from observastack import defects
from observastack.config import Auth
from observastack.errors import ConfigError
from observastack.identity.discovery import Provider, Unusable, discover

RETRY_S = 1.0  # between attempts while there are no keys at all


class Keys(Protocol):
    """Keys of an issuer by their id. Every method returns at once."""

    def find(self, kid: str | None) -> RSAPublicKey | None: ...

    def refresh(self) -> Future[None]:
        """Done when the keys are as new as they may be; it never fails."""

    @property
    def known(self) -> bool:
        """Whether there is any key: without one no token can be judged."""


class FixedKeys:
    """The local issuer's one key; a token need not name it."""

    known = True

    def __init__(self, key: RSAPublicKey) -> None:
        self.kid, self._key = key_id(key), key

    def find(self, kid: str | None) -> RSAPublicKey | None:
        return self._key if kid in (None, self.kid) else None

    def refresh(self) -> Future[None]:
        return _done()


class RemoteKeys:
    """The keys of an OpenID provider, kept in memory and fetched by a thread of their own, one fetch at a time.

    A key that is not known is asked for, but not more often than every `min_interval_s`: tokens with made-up key ids
    must not become requests to the provider. While the provider is away the known keys stay good. clock: seconds.
    """

    def __init__(
        self,
        issuer: str,
        *,
        min_interval_s: float = 10.0,
        max_age_s: float = 300.0,
        fetch: Callable[[str], Provider] = discover,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._fetch, self._clock = issuer, fetch, clock
        self._min_interval_s, self._max_age_s = min_interval_s, max_age_s
        self._guard = threading.Lock()
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._running: Future[None] | None = None
        self._asked = self._fetched = float("-inf")
        self.provider: Provider | None = None
        self.reason: str | None = "its keys were not asked for yet"

    @property
    def known(self) -> bool:
        return bool(self._keys)

    def find(self, kid: str | None) -> RSAPublicKey | None:
        if self._keys and self._clock() - self._fetched > self._max_age_s:
            self.refresh()  # in the background: a key that the provider has withdrawn goes within that time
        return None if kid is None else self._keys.get(kid)

    def refresh(self) -> Future[None]:
        with self._guard:
            if self._running is not None:
                return self._running
            pause = self._min_interval_s if self._keys else RETRY_S
            if self._clock() - self._asked < pause or (self._keys and defects.active("jwks_never_refreshed")):
                return _done()
            self._asked = self._clock()
            running: Future[None] = Future()
            self._running = running
        running.set_running_or_notify_cancel()  # from here on nobody who waits can cancel it for the others
        threading.Thread(target=self._work, args=(running,), name="jwks", daemon=True).start()
        return running

    def _work(self, running: Future[None]) -> None:
        try:
            provider = self._fetch(self._issuer)
            self.provider, self._keys, self._fetched, self.reason = provider, provider.keys, self._clock(), None
        except Unusable as error:
            self.reason = str(error)
        except Exception as error:  # whatever a provider answers, the known keys stay and the next refresh is tried
            self.reason = f"its answer is not usable ({type(error).__name__})"
        finally:
            with self._guard:
                self._running = None
            running.set_result(None)


def keys_of(auth: Auth) -> Keys:
    """Raises ConfigError: the method is unknown, or the local issuer's key cannot be used."""
    if auth.method == "local":
        return FixedKeys(public_key(auth))
    if auth.method == "oidc":
        return RemoteKeys(
            auth.issuer, min_interval_s=auth.keys_interval_s, max_age_s=auth.keys_age_s,
            fetch=functools.partial(discover, via=auth.provider_url),
        )  # fmt: skip
    raise ConfigError(f"auth.method {auth.method!r} is unknown", remedy="use local or oidc")


def public_key(auth: Auth) -> RSAPublicKey:
    """The local issuer's. Raises ConfigError."""
    file: Path | None = auth.public_key_file
    if file is None:
        raise ConfigError("auth.public_key_file is missing", remedy="the local issuer's tokens are verified with it")
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the public key cannot be read: {error}", file=file, remedy="see auth.public_key_file"
        ) from error
    if not isinstance(key, RSAPublicKey):
        raise ConfigError("the public key is not an RSA key", file=file, remedy="see auth.public_key_file")
    return key


def key_id(public: RSAPublicKey) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the key's SubjectPublicKeyInfo (DER)."""
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()[:16]


def _done() -> Future[Any]:
    done: Future[Any] = Future()
    done.set_result(None)
    return done
