"""Where a run writes to: each `--sink` of the command line, resolved to an outlet and to who signs in there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runners.datagen.scenario import Scenario
from runners.datagen.stores import Store, parse_store
from runners.ledger.items import Signal
from runners.lib.errors import UsageError
from runners.wire.connection import require_reachable, split_url
from runners.wire.http import HttpSink
from runners.wire.local import CaptureSink, FileSink, NullSink
from runners.wire.parcel import CARRIES, Sink, Wire
from runners.wire.stores import LokiSink, PrometheusSink

if TYPE_CHECKING:
    from runners.target import Target

Kind = Literal["platform", "http", "file", "capture", "stdout", "null", "loki", "prometheus"]
_FORMS = "a URL (OTLP/HTTP base), platform:, loki+URL, prw+URL, file:PATH, capture:FOLDER, stdout: or null:"
MOST_SINKS = 8
MOST_LINES = 3_500
"""Log records of one push: Loki's own components pass on messages of at most 4 MiB, and answer 500 to all larger ones, again and
again. The longest lines of a shop in which everything fails take 1.1 KB each."""


@dataclass(frozen=True)
class Place:
    """where: a URL for http, loki and prometheus, a path for file, capture and stdout, else empty. `platform` means: what
    the environment's target names."""

    kind: Kind
    where: str = ""

    @property
    def signs_in(self) -> bool:
        """Does an environment say who may write there?"""
        return self.kind in ("platform", "http")

    @property
    def remote(self) -> bool:
        """Is it something that may be down?"""
        return self.kind not in ("file", "capture", "stdout", "null")

    @property
    def text(self) -> str:
        """As it is written on the command line, wherever that is."""
        if self.kind == "http":
            return self.where
        if self.kind in ("loki", "prometheus"):
            return Store(self.kind, self.where).text
        return f"{self.kind}:{self.where}"


@dataclass(frozen=True)
class Outlet:
    """name: as the ledger tells it; make: one sink for each sender; refuses: may it refuse anything? A file takes what it is
    given."""

    name: str
    wire: Wire
    make: Callable[[], Sink]
    refuses: bool = True

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What can be sent there."""
        return CARRIES[self.wire]


def parse_sinks(texts: Sequence[str]) -> tuple[Place, ...]:
    """Without any: the environment's own. Raises UsageError with the valid forms."""
    places = tuple(map(parse_sink, texts)) or (Place("platform"),)
    for number, place in enumerate(places):
        if place in places[:number]:
            raise UsageError(
                f"--sink {place.text} is given twice", remedy="keep one: a ledger tells sinks apart by name"
            )
    if len(places) > MOST_SINKS:
        raise UsageError(f"{len(places)} sinks are too many", remedy=f"give at most {MOST_SINKS}")
    return places


def parse_sink(text: str) -> Place:
    """Raises UsageError with the valid forms, or for a URL that is none."""
    if text == "platform:":
        return Place("platform")
    if text == "null:":
        return Place("null")
    if text == "stdout:":
        # The process that sends is another one, and what its own standard output says goes elsewhere.
        return Place("stdout", f"/proc/{os.getpid()}/fd/1")
    kinds: tuple[Kind, ...] = ("file", "capture")
    for kind in kinds:
        if (path := text.removeprefix(f"{kind}:")) not in (text, ""):
            return Place(kind, str(Path(path).absolute()))
    if text.startswith("stdout:/"):
        return Place("stdout", text.removeprefix("stdout:"))
    if text.startswith(("http://", "https://")):
        split_url(text)
        return Place("http", text.rstrip("/"))
    store = parse_store(text)
    if store is not None and store.kind != "tempo":  # which is written to by OTLP
        return Place(store.kind, store.url)
    raise UsageError(f"--sink {text} is not a sink", remedy=f"write {_FORMS}")


def outlet(place: Place, scenario: Scenario, target: Target | None) -> Outlet:
    """target: of the environment, for places that sign in. Raises NotReady when it may not be written to, is not reachable
    or has no writer for one of the scenario's tenants."""
    timeout_s = scenario.file.delivery.timeout
    if place.kind == "null":
        return Outlet("null:", "otlp", NullSink, refuses=False)
    if place.kind in ("file", "stdout", "capture"):
        path = Path(place.where)
        shared = CaptureSink(path) if place.kind == "capture" else FileSink(path)  # all senders share one
        return Outlet(place.text, "otlp", lambda: shared, refuses=False)
    if place.kind == "loki":
        if scenario.file.delivery.max_items > MOST_LINES:
            raise scenario.document.error(
                f"delivery.max_items is more than Loki takes in one push ({MOST_LINES:,})", ("delivery", "max_items"),
                f"write {MOST_LINES} or less",
            )  # fmt: skip
        require_reachable(place.where)
        return Outlet(place.text, "loki", lambda: LokiSink(place.where, timeout_s))
    if place.kind == "prometheus":
        require_reachable(place.where)
        return Outlet(place.text, "remote_write", lambda: PrometheusSink(place.where, timeout_s))
    assert target is not None
    url = place.where or target.urls["ingest"]
    return Outlet(url, "otlp", _platform_sinks(url, scenario, target))


def _platform_sinks(url: str, scenario: Scenario, target: Target) -> Callable[[], Sink]:
    """OTLP/HTTP with the identities of the target."""
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
        url, bearer, forget, compression=delivery.compression, timeout_s=delivery.timeout, header=auth.header, scheme=auth.scheme
    )  # fmt: skip
