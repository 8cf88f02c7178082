"""The ids of `identity` for whole columns of numbers: the same bijection, computed by numpy.

Ids come as the words that lie in memory: (k, n) unsigned 64-bit little-endian, whose bytes in order are the id's. In
memory the k words of an id stand together, so that whoever wants them at once can have them so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runners.ledger.identity import _INVERSE, _SEQ_BITS, _SEQ_MASK, Identity

U64 = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_INVERSE_A, _INVERSE_B = (np.uint64(factor) for factor in _INVERSE)
_DIGITS = b"0123456789abcdef"
CHANCES = 1 << 32
"""How many there are for `chance`."""


def mix(x: U64) -> U64:
    """As `identity.mix`, of each."""
    x = (x ^ x >> np.uint64(30)) * _A
    x = (x ^ x >> np.uint64(27)) * _B
    return x ^ x >> np.uint64(31)


def unmix(x: U64) -> U64:
    """The inverse of `mix`, of each."""
    x = (x ^ x >> np.uint64(31) ^ x >> np.uint64(62)) * _INVERSE_B
    x = (x ^ x >> np.uint64(27) ^ x >> np.uint64(54)) * _INVERSE_A
    found: U64 = x ^ x >> np.uint64(30) ^ x >> np.uint64(60)
    return found


def draw(key: int, numbers: U64) -> U64:
    """64 random bits for each number, a pure function of (key, number)."""
    return mix(np.uint64(key) ^ numbers * _GOLDEN)


def chance(key: int, numbers: U64) -> npt.NDArray[np.int64]:
    """For each number a whole one below `CHANCES`, all of them equally probable: the upper half of what `draw` gives."""
    return (draw(key, numbers) >> np.uint64(32)).astype(np.int64)


def hex_words(words: U64) -> U64:
    """(k, n) → (2k, n): the bytes as lower-case hexadecimal digits."""
    digits: U64 = _HEX.take(np.ascontiguousarray(words.T).view("<u2")).view("<u8")
    return digits.T


class Identities:
    """Columns of one run's ids."""

    def __init__(self, identity: Identity) -> None:
        self._of = identity
        self._check = np.uint64(identity._check)

    def trace(self, tenant: int, numbers: U64) -> U64:
        """(2, n) words of the trace ids."""
        return self._checked(tenant, numbers, self._of._trace)

    def span(self, tenant: int, numbers: U64) -> U64:
        """(1, n) words of the span ids."""
        return self._mixed(tenant, numbers, self._of._span).byteswap()[None, :]

    def log(self, tenant: int, numbers: U64) -> U64:
        """(4, n) words of the hexadecimal ids of log records."""
        return hex_words(self._checked(tenant, numbers, self._of._log))

    def of_log(self, high: U64, low: U64) -> tuple[npt.NDArray[np.int64], U64, npt.NDArray[np.bool_]]:
        """(tenant, number, is it of this run) of the item ids of log records, by their halves as big-endian numbers."""
        tenant, number, right = self._unmixed(high, self._of._log)
        return tenant, number, right & (mix(high ^ self._check) == low)

    def of_span(self, ids: U64) -> tuple[npt.NDArray[np.int64], U64, npt.NDArray[np.bool_]]:
        """(tenant, number, does it name a tenant of this run) of span ids, as big-endian numbers."""
        return self._unmixed(ids, self._of._span)

    def _unmixed(self, ids: U64, key: int) -> tuple[npt.NDArray[np.int64], U64, npt.NDArray[np.bool_]]:
        plain = unmix(ids) ^ np.uint64(key)
        tenant = plain >> np.uint64(_SEQ_BITS)
        right = tenant < np.uint64(len(self._of.tenants))
        return tenant.astype(np.int64), plain & np.uint64(_SEQ_MASK), right

    def _mixed(self, tenant: int, numbers: U64, key: int) -> U64:
        return mix((numbers | np.uint64(tenant << _SEQ_BITS)) ^ np.uint64(key))

    def _checked(self, tenant: int, numbers: U64, key: int) -> U64:
        high = self._mixed(tenant, numbers, key)
        found = np.empty((len(numbers), 2), np.uint64)
        found[:, 0], found[:, 1] = high, mix(high ^ self._check)
        return found.byteswap(inplace=True).T


def _hex_table() -> npt.NDArray[np.uint32]:
    """By two bytes as a little-endian number: their four digits."""
    digits, byte = np.frombuffer(_DIGITS, np.uint8).astype(np.uint32), np.arange(256)
    pair = digits[byte >> 4] | digits[byte & 15] << np.uint32(8)
    found: npt.NDArray[np.uint32] = (pair[None, :] | pair[:, None] << np.uint32(16)).ravel()
    return found


_HEX = _hex_table()
