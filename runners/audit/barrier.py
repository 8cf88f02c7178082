"""The visibility barrier: an audit begins when what was acknowledged last can be read, or the deadline is over.

A store may index what it acknowledged some time later; reading earlier would call that loss. The last acknowledged
request of each tenant and signal stands for all before it: at the end of a run that is the sentinel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from runners.audit.content import claim
from runners.audit.reader import Reader
from runners.audit.source import Source, of_markers
from runners.ledger.attempt import Batch, Outcome
from runners.ledger.items import Item, Signal, moment
from runners.ledger.reader import Fate
from runners.ledger.sight import WHOLE, Sight

_PAUSE_S = 0.2


def wait_visible(
    source: Source, fates: Mapping[Batch, Fate], reader: Reader, deadline_s: float, *,
    sights: Mapping[Signal, Sight] = MappingProxyType({}), clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
) -> list[tuple[str, Signal]]:  # fmt: skip
    """Returns what had not become visible by the deadline: (tenant, signal). Raises Unreadable."""
    end = clock() + deadline_s
    waiting = last_acknowledged(source, fates)
    while True:
        waiting = {
            whose: item
            for whose, item in waiting.items()
            if not _visible(source, reader, whose, item, sights.get(whose[1], WHOLE))
        }
        if not waiting or clock() >= end:
            return list(waiting)
        sleep(_PAUSE_S)


def last_acknowledged(source: Source, fates: Mapping[Batch, Fate]) -> dict[tuple[str, Signal], Item]:
    """The last item of the newest acknowledged request that a store shows, for each tenant and signal that has one."""
    newest: dict[tuple[int, Signal], Batch] = {}
    for batch, fate in fates.items():
        key = (batch.tenant, batch.signal)
        if fate.outcome is not Outcome.ACKED or (key in newest and (batch.tick, batch.part) <= newest[key][2:]):
            continue
        if not of_markers(source, batch):
            newest[key] = batch
    found: dict[tuple[str, Signal], Item] = {}
    for (tenant, signal), batch in newest.items():
        items = source.slice(tenant, signal, batch.tick)
        ended = source.ended(tenant, signal, batch.tick)
        own = [item for index, item in enumerate(items) if source.part_of(index, len(items), ended) == batch.part]
        found[source.identity.tenants[tenant], signal] = own[-1]
    return found


def _visible(source: Source, reader: Reader, whose: tuple[str, Signal], item: Item, sight: Sight) -> bool:
    tenant, signal = whose
    wanted = (source.identity.tenants.index(tenant), item.seq)
    at = sight.time(moment(item))
    seen = False
    for stored in reader.read(
        tenant, signal, at, at + sight.resolution_ns
    ):  # read to its end: a cut stream must not look complete
        seen = seen or claim(source, signal, stored, sight) == wanted
    return seen
