"""What a verified token says, and the reasons why a token does not count."""

from __future__ import annotations

from dataclasses import dataclass


class InvalidToken(Exception):
    """Not a token of this issuer for this audience, or no longer valid."""


class Expired(InvalidToken):
    """It was valid once."""


class UnknownKey(InvalidToken):
    """Signed with a key that is not known here; after a rotation it may be known when asked for again."""


class NotOneTenant(Exception):
    """A valid token of an account that does not act for exactly one tenant: 403, not 401."""


class KeysUnavailable(Exception):
    """The issuer has never told its keys: nothing can be said about any token."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says. expires: Unix seconds; session: the identity provider's, None with the local issuer."""

    subject: str
    username: str
    email: str
    tenant: str | None
    roles: tuple[str, ...]
    jti: str
    expires: int
    name: str = ""
    session: str | None = None

    @property
    def family(self) -> str:
        """The log-in that this token descends from: what a logout ends."""
        return self.session or self.jti.partition(".")[0]
