"""Port blocks: the first environment gets the usual ports, each further one the next free block of one hundred."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

SUPERVISOR = "supervisor"
LOOPBACK = "127.0.0.1"
STEP = 100
BLOCKS = 100


class NoFreePorts(Exception):
    """Every block has a port that is in use."""


def numbers(catalogue: Mapping[str, Mapping[str, Any]], supervisor: int | None) -> dict[str, int]:
    """Every port of the first block by name: `<service>`, `<service>_<further port>`, `supervisor` (where there is one).

    A service that is not published on this machine takes none.
    """
    published = {name: entry for name, entry in catalogue.items() if entry.get("published", True) and entry.get("port")}
    found = {name: int(entry["port"]) for name, entry in published.items()}
    for name, entry in published.items():
        found |= {f"{name}_{further}": int(port) for further, port in (entry.get("ports") or {}).items()}
    return found | ({SUPERVISOR: supervisor} if supervisor else {})


def is_free(port: int, hosts: Iterable[str] = (LOOPBACK,)) -> bool:
    """Can a server listen on this port of each of these addresses now?"""
    return all(_is_free(port, host) for host in hosts)


def _is_free(port: int, host: str) -> bool:
    with socket.socket() as attempt:
        # Connections in TIME_WAIT do not stop a server, a listening socket does (socket(7), SO_REUSEADDR). This one does
        # not listen itself: a server that starts at this very moment would be refused the port because somebody asks.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError:
            return False
    return True


def blocks(defaults: Mapping[str, int]) -> Iterator[tuple[int, dict[str, int]]]:
    """(offset, port by name) of every block, the usual one first."""
    for number in range(BLOCKS):
        offset = number * STEP
        if max(defaults.values()) + offset < 65_536:
            yield offset, {name: port + offset for name, port in defaults.items()}


def kept(earlier: Mapping[str, int], defaults: Mapping[str, int]) -> int | None:
    """The offset of the block that an earlier provisioning chose; None when there was none.

    It may have been another version, with fewer services: its processes run on that block, whatever is new.
    """
    offsets = {int(port) - defaults[name] for name, port in earlier.items() if name in defaults}
    return offsets.pop() if len(offsets) == 1 else None


def choose(
    defaults: Mapping[str, int], *, reserved: Collection[int] = (), free: Callable[[int], bool] = is_free
) -> int:  # fmt: skip
    """The offset of the first block whose ports are all free, not reserved and claimed by nobody. Raises NoFreePorts."""
    with claimed(defaults, reserved, free=free) as offset:
        return offset


@contextlib.contextmanager
def claimed(
    defaults: Mapping[str, int], reserved: Iterable[int] = (), *, free: Callable[[int], bool] = is_free
) -> Iterator[int]:  # fmt: skip
    """As `choose`; nobody else on this machine is given one of these ports until the context ends.

    A claim is a name in the abstract socket namespace (unix(7)): it needs no file and goes with the process. One for each
    port and not for the block: blocks overlap (3000 + 100 is another service's 3100).
    """
    taken = set(reserved)
    for offset, ports in blocks(defaults):
        if any(port in taken for port in ports.values()):
            continue
        with contextlib.ExitStack() as claims:
            try:
                for port in sorted(ports.values()):
                    claims.enter_context(socket.socket(socket.AF_UNIX)).bind(f"\0observastack-testbed-port-{port}")
            except OSError:
                continue
            if all(map(free, ports.values())):
                yield offset
                return
    raise NoFreePorts(f"no block of ports is free, from {min(defaults.values())} on")
