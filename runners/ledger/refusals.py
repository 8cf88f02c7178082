"""What sinks said when they did not take a request, in a small file beside the rows, which have no room for words.

For each sink, signal and status: the first few different texts, how often each was said, and from when to when. It is an aid
to whoever asks why, and no account: the rows are that. Of a run that was killed, its last second may be missing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from runners.ledger.header import SHARDS
from runners.ledger.items import SIGNALS, Signal
from runners.lib.files import write_text

REFUSALS = "refusals.jsonl"
MOST_TEXTS = 8
"""Of one sink, signal and status; all further ones are counted together."""
_MOST_KEPT = 200
"""From so many kinds of answers on, new ones are counted without their words, and wait for the next time of writing."""
_LONGEST = 300
_EVERY_S = 1.0
_NO_TIME = 1e11  # in the year 5138
_Key = tuple[int, Signal, int, str]


class Refusal(NamedTuple):
    """sink: as in the rows; status: of the answer, 0 when there was none; text: empty for answers without words and
    for all further ones together; first, last: when it was said, Unix seconds."""

    sink: int
    signal: Signal
    status: int
    text: str
    attempts: int
    first: float
    last: float

    @property
    def key(self) -> _Key:
        return self[:4]


class Refusals:
    """Collects them; thread-safe. Nothing ever fails because of it: a disk that is full stops the rows, which count."""

    def __init__(
        self, folder: Path, known: Iterable[Refusal] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """folder: of the ledger. known: of the run's earlier part."""
        self._path, self._clock = folder / REFUSALS, clock
        self._found = _merged(known)
        self._lock = threading.Lock()
        self._told, self._written = True, clock()

    def add(self, sink: int, signal: Signal, status: int, text: str, at: float) -> None:
        """One answer. at: Unix seconds."""
        with self._lock:
            new = _fold(self._found, Refusal(sink, signal, status, _plain(text), 1, at, at))
            self._told = False
            if (new and len(self._found) <= _MOST_KEPT) or self._clock() - self._written > _EVERY_S:
                self._write()

    def flush(self) -> None:
        """Write down what has not been yet."""
        with self._lock:
            if not self._told:
                self._write()

    def _write(self) -> None:
        self._written = self._clock()
        lines = (json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in self._found.values())
        with suppress(OSError):
            write_text(self._path, "".join(lines))
            self._told = True


def read_refusals(folder: Path) -> list[Refusal]:
    """Of a ledger and its shards, the most frequent first. What cannot be read is left out."""
    shards = sorted(folder.glob(SHARDS))
    found = _merged(one for each in (folder, *shards) for one in read_own(each))
    return sorted(found.values(), key=lambda one: (-one.attempts, one.key))


def read_own(folder: Path) -> list[Refusal]:
    """Of one folder, without the shards in it."""
    try:
        lines = (folder / REFUSALS).read_text(encoding="utf-8").splitlines()
        return [_refusal(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        return []


def _refusal(told: Any) -> Refusal:
    signal, first, last = SIGNALS[SIGNALS.index(told["signal"])], float(told["first"]), float(told["last"])
    if not 0 <= first <= last < _NO_TIME:
        raise ValueError
    return Refusal(
        int(told["sink"]), signal, int(told["status"]), _plain(str(told["text"])), int(told["attempts"]), first, last
    )


def _merged(of: Iterable[Refusal]) -> dict[_Key, Refusal]:
    found: dict[_Key, Refusal] = {}
    for one in of:
        _fold(found, one)
    return found


def _fold(found: dict[_Key, Refusal], one: Refusal) -> bool:
    """Count it in. Is its text a new one?"""
    if one.key not in found and (
        len(found) >= _MOST_KEPT or sum(key[:3] == one.key[:3] and key[3] != "" for key in found) >= MOST_TEXTS
    ):
        one = one._replace(text="")
    before = found.get(one.key)
    found[one.key] = one if before is None else before._replace(
        attempts=before.attempts + one.attempts, first=min(before.first, one.first), last=max(before.last, one.last)
    )  # fmt: skip
    return before is None


def _plain(text: str) -> str:
    """In one line, of a bounded length, and harmless on a terminal."""
    line = " ".join(text[: 4 * _LONGEST].split())
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)[:_LONGEST]
