"""Who an item is: (run, tenant, number) put through a keyed 64-bit bijection into its ids, and read back from them.

The mixing is splitmix64's finaliser (Steele, Lea, Flood 2014), which is invertible. It spreads numbers like random ids
and finds accidental damage; it is no cryptography, and test data needs none. A trace id is the mixed number and a check
word; a span id carries no check word, but an id that this run did not make decodes to a tenant below `tenants` with a
chance of tenants / 2^20 and then to a number that was never sent.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

_MASK = (1 << 64) - 1
_SEQ_BITS = 44
_SEQ_MASK = (1 << _SEQ_BITS) - 1
_MULTIPLY = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_INVERSE = tuple(pow(factor, -1, 1 << 64) for factor in _MULTIPLY)
MAX_SEQ = _SEQ_MASK


def mix(x: int) -> int:
    """A bijection of the 64-bit numbers; every output bit depends on every input bit."""
    x = ((x ^ (x >> 30)) * _MULTIPLY[0]) & _MASK
    x = ((x ^ (x >> 27)) * _MULTIPLY[1]) & _MASK
    return x ^ (x >> 31)


def unmix(x: int) -> int:
    """The inverse of `mix`."""
    x = ((x ^ (x >> 31) ^ (x >> 62)) * _INVERSE[1]) & _MASK
    x = ((x ^ (x >> 27) ^ (x >> 54)) * _INVERSE[0]) & _MASK
    return x ^ (x >> 30) ^ (x >> 60)


def derive(*parts: str | int) -> int:
    """A 64-bit key from names and numbers: the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class Identity:
    """The ids of one run. tenants: in the order in which the run numbers them."""

    def __init__(self, run: str, tenants: tuple[str, ...]) -> None:
        self.run, self.tenants = run, tenants
        self._trace, self._span, self._log, self._check, self._instance = (
            derive(run, name) for name in ("trace", "span", "log", "check", "instance")
        )

    def trace_id(self, tenant: int, number: int) -> bytes:
        """16 bytes: the mixed (tenant, number), then a check word that depends on all of it."""
        return self._with_check(self._mixed(tenant, number, self._trace)).to_bytes(16, "big")

    def span_id(self, tenant: int, number: int) -> bytes:
        return self._mixed(tenant, number, self._span).to_bytes(8, "big")

    def log_id(self, tenant: int, number: int) -> str:
        """32 hex digits, made as a trace id is, with a key of its own."""
        return f"{self._with_check(self._mixed(tenant, number, self._log)):032x}"

    def instance_id(self, tenant: int, number: int) -> str:
        """A UUID of version 8 (RFC 9562) for one instance of a service."""
        value = self._with_check(self._mixed(tenant, number, self._instance))
        value = value & ~(0xF << 76) | 0x8 << 76
        value = value & ~(0x3 << 62) | 0x2 << 62
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def of_trace_id(self, text: str | None) -> tuple[int, int] | None:
        """(tenant, number) of a trace id in hex; None when this run did not make it."""
        return self._checked(text, self._trace)

    def of_span_id(self, text: str | None) -> tuple[int, int] | None:
        """(tenant, number) of a span id in hex; None when it names no tenant of this run."""
        value = _hex(text, 16)
        return None if value is None else self._unmixed(value, self._span)

    def of_log_id(self, text: object) -> tuple[int, int] | None:
        """(tenant, number) of a log record's item id; None when this run did not make it."""
        return self._checked(text, self._log)

    def _mixed(self, tenant: int, number: int, key: int) -> int:
        return mix((tenant << _SEQ_BITS | number) ^ key)

    def _unmixed(self, value: int, key: int) -> tuple[int, int] | None:
        plain = unmix(value) ^ key
        tenant = plain >> _SEQ_BITS
        return (tenant, plain & _SEQ_MASK) if tenant < len(self.tenants) else None

    def _with_check(self, high: int) -> int:
        return high << 64 | mix(high ^ self._check)

    def _checked(self, text: object, key: int) -> tuple[int, int] | None:
        value = _hex(text, 32)
        if value is None or self._with_check(value >> 64) != value:
            return None
        return self._unmixed(value >> 64, key)


def _hex(text: object, digits: int) -> int | None:
    if not isinstance(text, str) or len(text) != digits:
        return None
    try:
        return int(text, 16)
    except ValueError:
        return None


@lru_cache(maxsize=8)
def identity(run: str, tenants: tuple[str, ...]) -> Identity:
    """One `Identity` for each run, made once."""
    return Identity(run, tenants)
