"""What the server says on a stream, as text; the same for every client that wants the same, so it is made once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from observastack.backend.live.feed import Event
from observastack.backend.live.position import Position, encode
from observastack.backend.live.wish import Wish
from observastack.backend.wire import rfc3339

PER_MESSAGE = 200


def control(kind: str, **fields: Any) -> str:
    return orjson.dumps({"type": kind, **fields}).decode()


def hello(cursor: str, wish: Wish) -> str:
    return control("hello", cursor=cursor, types=sorted(wish.kinds))


def heartbeat(cursor: str) -> str:
    """The cursor lets a client resume that has seen nothing for longer than a cursor is good for."""
    return control("heartbeat", ts=rfc3339(time.time_ns()), cursor=cursor)


@dataclass(frozen=True)
class News:
    """Some items of one source, or one alert. dropped: items of this source that were passed over before these."""

    source: str
    events: Sequence[Event]
    cursor: str
    dropped: int = 0

    @cached_property
    def text(self) -> str:
        return self.told(self.dropped)

    def told(self, dropped: int) -> str:
        """With another count: for a client that was too slow for what came before."""
        cursor = orjson.dumps(self.cursor)
        if self.source == "alerts":
            parts = [b'{"type":"alert","alert":', self.events[0].encoded, b',"cursor":', cursor, b"}"]
        else:
            items = b",".join(event.encoded for event in self.events)
            head = b'{"type":"items","source":"' + self.source.encode() + b'","items":['
            parts = [head, items, b'],"cursor":', cursor, b',"dropped":', str(dropped).encode(), b"}"]
        return b"".join(parts).decode()

    @property
    def size(self) -> int:
        return sum(len(event.encoded) for event in self.events) + 200


def news(wish: Wish, tenant: int, events: Iterable[Event], dropped: dict[str, int], end: Position) -> list[News]:
    """In order of arrival, neighbours of one source together. An alert that changed several times is told once.

    end: where the batch ends; the last message carries it.
    """
    wanted = [event for event in events if wish.wants(event.source, event.document)]
    last = {event.document["id"]: event for event in wanted if event.source == "alerts"}
    wanted = [event for event in wanted if event.source != "alerts" or last[event.document["id"]] is event]
    groups: list[list[Event]] = []
    for event in wanted:
        alone = event.source == "alerts" or not groups or groups[-1][0].source != event.source
        if alone or len(groups[-1]) >= PER_MESSAGE:
            groups.append([event])
        else:
            groups[-1].append(event)
    left = {source: count for source, count in dropped.items() if source in wish.kinds}
    found = []
    for number, group in enumerate(groups):
        last_pages = group[-1].pages
        pages = end.pages if last_pages is None else last_pages
        at = end if number == len(groups) - 1 else Position(group[-1].place, pages)
        source = group[0].source
        found.append(News(source, group, encode(at, tenant), left.pop(source, 0)))
    # Everything of a source was passed over, or nothing of the rest is wanted: the count must be told all the same.
    found += [News(source, (), encode(end, tenant), count) for source, count in left.items()]
    return found
