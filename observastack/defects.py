"""Known defects that can be switched on, so that the detection rate of the tests can itself be measured.

Off by default, refused in production. `configure` once at start-up, `active` where the defect lives.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observastack.config import Config


@dataclass(frozen=True)
class Defect:
    """One switch: what the platform does wrong while it is on, and the suite that ought to find that."""

    name: str
    what: str
    found_by: str


REGISTRY: dict[str, Defect] = {
    defect.name: defect
    for defect in (
        Defect("drop_acked_1pct", "about 1 % of the acknowledged items are not stored", "data"),
        Defect("dup_on_retry", "idempotency keys are ignored, a retried write is stored twice", "data"),
        Defect("list_leak", "search and export answers are not restricted to the tenant", "load"),
        Defect("health_lies", "readiness says ready whatever the state of the dependencies", "chaos"),
        Defect("idempotency_key_ignored", "a repeated POST with the same Idempotency-Key is done again", "contract"),
        Defect(
            "proxy_tenant_header_passed",
            "the web server passes a client's tenant headers on to the backend",
            "security",
        ),
        Defect("web_security_headers_missing", "pages come without Content-Security-Policy and its kin", "security"),
        Defect("spa_cache_leak", "browsers may store API answers and show them to the next user", "e2e"),
        Defect("slow_search", "every search takes at least 6 s more", "load"),
    )
}

_active: frozenset[str] = frozenset()


def check(names: Iterable[str], environment: str) -> None:
    """Raises ValueError for an unknown name, and for any name in production."""
    for name in (names := tuple(names)):
        if name not in REGISTRY:
            near = difflib.get_close_matches(name, REGISTRY, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(REGISTRY)}"
            raise ValueError(f"unknown defect {name!r}; {hint}")
    if names and environment == "production":
        raise ValueError(f"defects ({', '.join(names)}) are refused in production")


def configure(config: Config) -> None:
    """Switch on exactly the defects of the configuration."""
    global _active  # noqa: PLW0603 - one switchboard per process, set once at start-up
    check(config.defects, config.environment)
    _active = frozenset(config.defects)


def active(name: str) -> bool:
    """Whether the defect is on. Raises KeyError for a name that is not in the registry: a typo must not mean off."""
    return REGISTRY[name].name in _active
