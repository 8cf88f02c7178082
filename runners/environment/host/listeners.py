"""Who listens on a port of this machine: told by the sockets that a process holds (proc(5))."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

from runners.lib import proc

LISTEN = "0A"


def is_foreign(port: int, pid: int) -> bool:
    """Does somebody listen on the port, and is it neither this process nor a descendant of it?"""
    there = {inode for _, number, inode in listening() if number == port}
    if not there or there & set(sockets(pid)):
        return False
    return not any(there & set(sockets(member)) for member in proc.descendants(pid))


def listening() -> Iterator[tuple[str, int, int]]:
    """(address, port, inode) of every listening TCP socket (proc(5))."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN:
                address, port = fields[1].split(":")
                yield _address(address), int(port, 16), int(fields[9])


def sockets(pid: int) -> Iterator[int]:
    """Inodes of the sockets that a process holds; none when it may not be asked."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115  (no file: a link to a socket)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[8:-1])


def _address(text: str) -> str:
    """`0100007F` is 127.0.0.1: each word of four bytes is in the machine's order. Java's sockets are of both families."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    found = ipaddress.ip_address(b"".join(words))
    return str(getattr(found, "ipv4_mapped", None) or found)
