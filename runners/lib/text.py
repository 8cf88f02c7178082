"""Text from outside, made safe to show; and the nearest valid name for a typing error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI (ECMA-48)
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[@-Z\\-_]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # bidirectional overrides: text must read as it is stored
)


def plain(text: str) -> str:
    """Without control characters, terminal escape sequences and bidirectional overrides; tab and newline stay."""
    return _CONTROL.sub("", text)


def one_line(text: str, width: int = 200) -> str:
    """`plain`, on one line, cut with an ellipsis."""
    line = " ".join(plain(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None when nothing comes near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy: the nearest name, or the list of valid ones."""
    names = sorted(known)
    close = nearest(name, names)
    return f"did you mean '{close}'?" if close else f"valid: {', '.join(names)}"
