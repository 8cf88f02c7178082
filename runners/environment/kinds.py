"""What differs between the kinds of environment, in one table: how one looks at it, restarts a service, reads its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from runners.environment.state import Seen
from runners.lib.errors import NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment


class Kind(Protocol):
    """A kind is a module with these three functions. recorded: the content of state.json."""

    def look(self, recorded: Mapping[str, Any], /) -> Seen:
        """What runs and how it is; never raises for what does not."""

    def restart(self, recorded: Mapping[str, Any], entry: Mapping[str, Any], patience_s: float, /) -> dict[str, Any]:
        """Stop and start the service of this entry; `{pid}` once it is healthy. Raises NotReady."""

    def log(
        self, environment: Environment, recorded: Mapping[str, Any], service: str, count: int, /, *, follow: bool
    ) -> Iterator[str]:
        """Its last lines, and with `follow` those that come. Raises FileError, NotReady."""


_MODULES = {
    "local": "runners.environment.local",
    "compose": "runners.environment.containers.kind",
    "remote": "runners.environment.remote.kind",
    "external": "runners.environment.external",
}


def kind_of(recorded: Mapping[str, Any]) -> Kind:
    """Loaded when it is needed: nobody waits for the SDK of an engine that has no containers."""
    return cast(Kind, import_module(_MODULES[str(recorded.get("kind", "local"))]))


def require_same(environment: Environment, kind: str) -> None:
    """Only what made an environment knows what there is of it: as another kind it would be forgotten, not removed.

    Raises NotReady where one of another kind is there, or its data is kept. Of an external one nothing is ours.
    """
    recorded = read_json(environment.state) or {}
    there = str(recorded.get("kind", kind))
    rolled_back = recorded.get("state") == "failed" and (read_json(environment.failure) or {}).get("rolled_back")
    if there not in (kind, "external") and not rolled_back:
        raise NotReady(
            f"environment '{environment.name}' is there, of kind {there}; it cannot become one of kind {kind}",
            remedy=f"take it down first (testbed down {environment.name}), or choose another name for the new one",
        )
