"""A journey: one thing that must hold for a user, as a function; and the three ways in which it can end otherwise.

Journeys know canonical operations and identities only. Each makes its own data under names that nobody else has, so that
all can run at once and beside other runs.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runners.lib.errors import UsageError
from runners.lib.text import did_you_mean

if TYPE_CHECKING:
    from runners.e2e.scene import Scene

Kind = Literal["api", "browser"]


class Broken(Exception):
    """The platform did not keep what the journey is about: the test fails with this sentence."""


class Absent(Exception):
    """The target has not the capability: not applicable, never passed."""


class Unassessed(Exception):
    """Something else went wrong before the question could be asked: neither passed nor failed."""


@dataclass(frozen=True)
class Journey:
    """id: `<area>.<what must hold>`. needs: canonical operations without which it is not applicable."""

    id: str
    kind: Kind
    needs: tuple[str, ...]
    what: str
    act: Callable[..., None]

    @property
    def area(self) -> str:
        return self.id.partition(".")[0]


_REGISTRY: dict[str, Journey] = {}


def journey(id_: str, *needs: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register an API journey; its docstring is the sentence that people read."""
    return _register(id_, "api", needs)


def browser_journey(id_: str, *needs: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a journey through the pages; it gets the scene and a page of a fresh browser context."""
    return _register(id_, "browser", needs)


def _register(id_: str, kind: Kind, needs: tuple[str, ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def keep(act: Callable[..., None]) -> Callable[..., None]:
        assert id_ not in _REGISTRY, f"two journeys are called {id_}"
        _REGISTRY[id_] = Journey(id_, kind, needs, " ".join((act.__doc__ or "").split()), act)
        return act

    return keep


def journeys() -> tuple[Journey, ...]:
    """All that are shipped, in the order of their files."""
    import runners.e2e.browser.journeys
    import runners.e2e.journeys  # noqa: F401  (importing registers them)

    return tuple(_REGISTRY.values())


def chosen(all_: Iterable[Journey], *, only: Iterable[str] = (), kind: str | None = None) -> tuple[Journey, ...]:
    """The journeys whose id or area matches one of the patterns. Raises UsageError for a pattern that matches none."""
    found = tuple(one for one in all_ if kind is None or one.kind == kind)
    patterns = tuple(only)
    for pattern in patterns:
        if not any(_matches(one, pattern) for one in found):
            raise UsageError(
                f"no journey matches '{pattern}'",
                remedy=did_you_mean(pattern, {*(one.id for one in found), *(one.area for one in found)}),
            )
    return tuple(one for one in found if not patterns or any(_matches(one, pattern) for pattern in patterns))


def _matches(one: Journey, pattern: str) -> bool:
    return one.area == pattern or fnmatch.fnmatchcase(one.id, pattern)


def check(condition: Any, otherwise: str) -> None:
    """Raises Broken with the sentence unless the condition holds."""
    if not condition:
        raise Broken(otherwise)


def equal(found: Any, wanted: Any, what: str) -> None:
    """Raises Broken naming both sides unless they are equal."""
    if found != wanted:
        raise Broken(f"{what}: {_short(found)} instead of {_short(wanted)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "…"
