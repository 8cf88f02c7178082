"""Which of the optional services an environment has: what is on this machine, what was asked for, what follows for the rest.

Pure: what the machine has is passed in. Why the modes are as they are: docs/adr/0004-real-stores.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runners.environment.host.binaries import Binary, Broken

Stores = Literal["embedded", "real", "auto"]
Identity = Literal["local", "keycloak"]

PLATFORM = ("backend", "ingest")  # the services that talk to the signal stores
IDENTITY = "keycloak"
EMBEDDED = "embedded"


class Unprovidable(Exception):
    """This machine lacks something that was asked for."""


@dataclass(frozen=True)
class Selection:
    """present: services to provision; absent: reason by name of those that are not; stores: signal → service or embedded;
    notes: what to know about a service that is there."""

    present: tuple[str, ...]
    absent: dict[str, str]
    stores: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)


def select(
    catalogue: Mapping[str, Mapping[str, Any]],
    wanted: Collection[str],
    found: Mapping[str, Binary | Broken | None],
    *,
    stores: Stores,
    identity: Identity,
    frontend: bool,
) -> Selection:
    """wanted: names in starting order; found: the binary of each optional service that needs one; frontend: is it built?

    Raises Unprovidable when something was asked for by name that this machine does not have.
    """
    keeps = {entry["store"]: name for name, entry in catalogue.items() if entry.get("store")}
    chosen = dict.fromkeys(keeps, EMBEDDED)
    absent: dict[str, str] = {}
    notes: dict[str, str] = {}
    for name in wanted:
        entry = catalogue[name]
        if not entry.get("optional"):
            continue
        if name == IDENTITY and identity != IDENTITY:
            absent[name] = f"identity is {identity}; testbed up --set identity={IDENTITY} starts it"
        elif entry.get("binary"):
            signal = entry.get("store")
            binary = found.get(name)
            if binary is None:
                absent[name] = f"no {' or '.join(entry['binary'])} in TESTBED_BIN_DIR or on PATH" + instead(signal)
            elif isinstance(binary, Broken):
                absent[name] = f"{binary}" + instead(signal)
            elif signal and _is_store(signal, binary, stores):
                chosen[signal] = name
                notes[name] = f"keeps {signal}"
            elif signal == "metrics":
                notes[name] = "alert rules; the embedded store keeps metrics"
            elif signal:
                absent[name] = f"stores={stores}" + instead(signal)
        elif name == "web" and not frontend:
            absent[name] = "the frontend is not built: make frontend"
    if stores == "real" and set(keeps.values()) & set(wanted) and set(chosen.values()) == {EMBEDDED}:
        broken = "".join(f"; {binary}" for name in keeps.values() if isinstance(binary := found.get(name), Broken))
        raise Unprovidable(
            f"stores=real, but none of {', '.join(keeps.values())} that runs is in TESTBED_BIN_DIR or on PATH{broken}"
        )
    if identity == IDENTITY and IDENTITY in absent:
        there = "" if isinstance(found.get(IDENTITY), Broken) else "there is "
        raise Unprovidable(f"identity={IDENTITY}, but {there}{absent[IDENTITY]}")
    if not set(wanted) - set(absent):
        told = "; ".join(f"{name}: {absent[name]}" for name in wanted)
        raise Unprovidable(f"nothing is left of what was asked for: {told}")
    return Selection(tuple(name for name in wanted if name not in absent), absent, chosen, notes)


def requirements(
    catalogue: Mapping[str, Mapping[str, Any]], selection: Selection, *, identity: Identity
) -> dict[str, list[str]]:
    """What each service that is there requires: as in the catalogue, and the platform what it was told to use."""
    used = [name for name in selection.stores.values() if name != EMBEDDED]
    found = {}
    for name in selection.present:
        requires = [needed for needed in catalogue[name]["requires"] if needed in selection.present]
        if name in PLATFORM:
            requires += [store for store in used if store not in requires]
        if name == "backend" and identity == IDENTITY and IDENTITY in selection.present:
            requires.append(IDENTITY)
        found[name] = requires
    return found


def _is_store(signal: str, binary: Binary, stores: Stores) -> bool:
    # A Prometheus that happens to be on PATH is there for something else, and it keeps milliseconds and drops repeated
    # samples: half of what the audit looks for could not be seen. One in the user's own folder was meant.
    return stores == "real" or (stores == "auto" and (binary.chosen or signal != "metrics"))


def instead(signal: str | None) -> str:
    """What keeps a signal where its store is absent, as the end of a sentence."""
    return f": the embedded store keeps {signal}" if signal else ""
