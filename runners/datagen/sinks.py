"""Where a run writes to: the `--sink` of the command line, resolved to sinks and to who signs in there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runners.datagen.scenario import Scenario
from runners.lib.errors import UsageError
from runners.wire.http import HttpSink, require_reachable
from runners.wire.local import FileSink, NullSink
from runners.wire.parcel import Sink

if TYPE_CHECKING:
    from runners.target import Target

Kind = Literal["platform", "http", "file", "null"]


@dataclass(frozen=True)
class Place:
    """where: a URL for http, a path for file, else empty. `platform` means: what the environment's target names."""

    kind: Kind
    where: str = ""

    @property
    def remote(self) -> bool:
        """Is it something that signs in and may be down?"""
        return self.kind in ("platform", "http")


def parse_sink(text: str | None) -> Place:
    """Raises UsageError with the valid forms."""
    if text is None:
        return Place("platform")
    if text == "null:":
        return Place("null")
    if text.startswith("file:") and len(text) > len("file:"):
        return Place("file", str(Path(text.removeprefix("file:")).absolute()))
    if text.startswith(("http://", "https://")):
        return Place("http", text)
    raise UsageError(f"--sink {text} is not a sink", remedy="write a URL (OTLP/HTTP base), file:PATH or null:")


def local_sinks(place: Place) -> Callable[[], Sink]:
    """For file and null. All senders share one file."""
    if place.kind == "null":
        return NullSink
    shared = FileSink(Path(place.where))
    return lambda: shared


def remote_sinks(url: str, scenario: Scenario, target: Target) -> Callable[[], Sink]:
    """OTLP/HTTP with the identities of the target. Raises NotReady when it may not be written to, is not reachable or
    has no writer for one of the scenario's tenants."""
    target.require("writes")
    for number, tenant in enumerate(scenario.tenants):
        if tenant not in target.tenants:
            raise scenario.document.error(
                f"target {target.name} has no tenant '{tenant}'", ("tenants", number),
                f"its tenants: {', '.join(target.tenants)}",
            )  # fmt: skip
    writers = {tenant: target.identity(tenant, "agent") for tenant in scenario.tenants}
    require_reachable(url)

    def bearer(tenant: str) -> str:
        return target.tokens.bearer(writers[tenant])

    def forget(tenant: str, token: str) -> None:
        target.tokens.invalidate(writers[tenant], token)

    for tenant in scenario.tenants:
        bearer(tenant)  # signed in before the clock runs
    delivery = scenario.file.delivery
    auth = target.profile.auth
    return lambda: HttpSink(
        url, bearer, forget, gzip_level=int(delivery.gzip), timeout_s=delivery.timeout, header=auth.header, scheme=auth.scheme
    )  # fmt: skip
