"""Password hashes: argon2id with the parameters that OWASP recommends as the minimum (19 MiB, 2 passes, 1 lane).

More memory would make the login the bottleneck of every load test of the platform on a small machine.
"""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def hash_password(password: str) -> str:
    """The argon2id hash as a PHC string."""
    return _hasher.hash(password)


def verify_password(stored: str, password: str) -> bool:
    """Whether the password belongs to the stored hash. A malformed hash belongs to none."""
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
