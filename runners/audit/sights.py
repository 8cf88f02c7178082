"""Which store keeps each signal of a target, and what it can show: asked of the target, looked up in its profile."""

from __future__ import annotations

from runners.audit.reader import Unreadable
from runners.ledger.items import SIGNALS, Signal
from runners.ledger.sight import WHOLE, Sight
from runners.target import Target


def sights(target: Target) -> dict[Signal, Sight]:
    """By signal. A target whose profile says nothing about stores shows everything. Raises Unreadable when it does not tell
    which stores it has: to take a store's nature for a fault would be a false accusation."""
    import httpx

    stores = target.profile.stores
    if stores is None:
        return dict.fromkeys(SIGNALS, WHOLE)
    tenant = target.tenants[0] if target.tenants else None
    try:
        answer = target.call(stores.operation, target.identity(tenant, "viewer"))
    except httpx.HTTPError as error:
        raise Unreadable(f"{stores.operation} failed: {type(error).__name__}") from None
    if not answer.ok:
        raise Unreadable(f"{stores.operation} answered {answer.status}: which stores it has is not known")
    found: dict[Signal, Sight] = {}
    for signal in SIGNALS:
        shows = stores.shows.get(str(stores.adapter(signal, answer.json)))
        found[signal] = (
            WHOLE if shows is None else Sight(round(shows.resolution * 1e9) or 1, shows.labels, shows.duplicates)
        )
    return found
