"""A line of a log as bytes with holes: what a format wrote, compiled once, filled for each record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runners.datagen.formats import pii
from runners.datagen.formats.holes import Hole, Source, marked, render, sample
from runners.datagen.formats.pii import Personal

# Marks of holes and of private fields are private-use characters; most of a line is neither.
_SPECIAL = re.compile("[\ue000-\uf8ff]")


@dataclass(frozen=True)
class Facts:
    """What a record is about. Everything here is baked into the line; the rest are holes.

    language: of the service; operation: its span's name; severity: DEBUG INFO WARN ERROR; message: may hold marks;
    about: more fields, in order; error: type and message; variant: which of the lines that say this.
    """

    service: str
    language: str
    operation: str
    severity: str
    message: str
    about: Mapping[str, str | int] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    variant: int = 0


class Placed(NamedTuple):
    """at: offset of the hole in the line's bytes."""

    hole: Hole
    at: int


class Private(NamedTuple):
    """A field that looks personal: its bytes are text[at : at + width]."""

    kind: Personal
    at: int
    width: int


@dataclass(frozen=True)
class Line:
    """text: UTF-8 with sample values in the holes; it parses as it is."""

    text: bytes
    holes: tuple[Placed, ...] = ()
    private: tuple[Private, ...] = ()

    def fill(self, values: Mapping[Source, int]) -> bytes:
        """The line of one record: the slow way. Raises KeyError for a hole without a value."""
        out = bytearray(self.text)
        for hole, at in self.holes:
            out[at : at + hole.width] = render(hole, values[hole.source]).encode()
        return bytes(out)


def compile_line(written: str) -> Line:
    """What a format wrote, its marks turned into holes and places. Raises ValueError for a mark that is no whole one."""
    out, holes, private = bytearray(), list[Placed](), list[Private]()
    opened: tuple[Personal, int] | None = None
    at = 0
    while (special := _SPECIAL.search(written, at)) is not None:
        out += written[at : special.start()].encode()
        at, character = special.start(), special[0]
        if (hole := marked(character)) is not None:
            if written[at : at + hole.width] != character * hole.width:
                raise ValueError(f"the hole {hole.name} is torn")
            holes.append(Placed(hole, len(out)))
            out += sample(hole).encode()
            at += hole.width
            continue
        if (kind := pii.opened(character)) is not None:
            opened = kind, len(out)
        elif character == pii.CLOSE and opened is not None:
            private.append(Private(opened[0], opened[1], len(out) - opened[1]))
            opened = None
        else:
            out += character.encode()
        at += 1
    out += written[at:].encode()
    return Line(bytes(out), tuple(holes), tuple(private))
