"""Log records of requests: what each visit wrote, with the trace context of its span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runners.datagen.formats import Line as Written
from runners.datagen.formats.mix import USUAL, Mix
from runners.datagen.model.asides import SHARE
from runners.datagen.model.bodies import ASIDE, NOVEL, spoken, written
from runners.datagen.model.fields import placeholders, variants
from runners.datagen.model.requests import Integers, Requests
from runners.datagen.model.shapes import MAX_VISITS, Visit
from runners.datagen.model.tables import tables
from runners.datagen.topology import Line
from runners.ledger.identity import Identity, derive
from runners.ledger.items import ITEM_ATTRIBUTE, LogRecord, Resource, Value
from runners.ledger.mixing import U64, draw

_INDEX_BITS = 24
_NOVELTY, _ASIDE = derive("novelty"), derive("aside")


@dataclass(frozen=True, eq=False)
class Records:
    """The records of one tick in the order of time. By record (L): visit (index into the requests' visits), line (number
    of the distinct line, see `Tables.line_of`; that much plus once or twice the number of lines where it is said in another manner, see `bodies`), number, time (Unix nanoseconds)."""

    visit: Integers
    line: Integers
    number: U64
    time: Integers

    def part(self, own: slice) -> Records:
        """These only."""
        return Records(self.visit[own], self.line[own], self.number[own], self.time[own])


class LogIds(NamedTuple):
    """item: the record's own, in text."""

    trace: bytes
    span: bytes
    item: str


class Said(NamedTuple):
    """took_ms: how long the visit took."""

    body: str
    time: int
    took_ms: float


def records(requests: Requests) -> Records:
    """All records of these requests; of those at the same nanosecond, in the order of requests and visits."""
    of = requests.tables
    lines = of.lines[requests.row]
    visit = np.repeat(np.arange(len(lines)), lines)
    within = np.arange(len(visit)) - np.repeat(np.cumsum(lines) - lines, lines)
    row = requests.row[visit]
    line = of.first_line[row] + within
    number = requests.number[requests.request[visit]] * np.uint64(MAX_VISITS)
    number += (of.logs_before[row] + within).astype(np.uint64)
    start = requests.start[visit]
    time = start + (requests.end[visit] - start) * of.at[line] // 100
    if requests.mute is not None or requests.terse is not None:
        kept = np.flatnonzero(_written(requests, visit, of.line[line]))
        visit, line, number, time = visit[kept], line[kept], number[kept], time[kept]
    order = _by_time(time)
    visit, number, distinct = visit[order], number[order], of.line[line[order]]
    if requests.novelty is not None:
        chance = (draw(_NOVELTY, number) >> np.uint64(32)).astype(np.int64)
        distinct += NOVEL * len(of.line_of) * (chance < requests.novelty[of.service[requests.row[visit]]])
    if requests.asides:
        chance = (draw(_ASIDE, number) >> np.uint64(32)).astype(np.int64)
        may = of.aside_line[distinct % len(of.line_of)] * (distinct < len(of.line_of))
        distinct += ASIDE * len(of.line_of) * may * (chance < SHARE)
    return Records(visit, distinct, number, time[order])


def _written(requests: Requests, visit: Integers, line: Integers) -> npt.NDArray[np.bool_]:
    """(L,) is this record written at all? line: numbers of distinct lines."""
    found = np.ones(len(visit), bool)
    if requests.mute is not None:
        found &= requests.mute[requests.tables.service[requests.row[visit]]] == 0
    if requests.terse is not None:
        found &= ~(requests.terse[requests.request[visit]] & (requests.tables.debug_line[line] > 0))
    return found


def _by_time(time: Integers) -> Integers:
    """A stable order; sorting whole numbers that carry their index is several times faster than sorting indexes."""
    if not len(time):
        return time
    since = time - time.min()
    if len(time) >> _INDEX_BITS or int(since.max()) >> (63 - _INDEX_BITS):
        return np.argsort(time, kind="stable")
    return np.sort(since << _INDEX_BITS | np.arange(len(time))) & ((1 << _INDEX_BITS) - 1)


def logs(
    requests: Requests, identity: Identity, tenant: int, fleet: Sequence[Resource], mix: Mix = USUAL
) -> list[LogRecord]:
    """The records of a tick in the order of time. mix: weights of the formats among the services."""
    of, told = requests.tables, records(requests)
    spans, traces = requests.span_numbers.tolist(), requests.trace_numbers.tolist()
    fields = [requests.fields(index) for index in range(len(requests))]
    found = []
    for at, line, number, time in zip(
        told.visit.tolist(), told.line.tolist(), told.number.tolist(), told.time.tolist(), strict=True
    ):
        ids = LogIds(
            identity.trace_id(tenant, traces[at]), identity.span_id(tenant, spans[at]), identity.log_id(tenant, number)
        )
        took = int(requests.end[at]) - int(requests.start[at])
        manner, line = divmod(line, len(of.line_of))
        visit, text = of.line_of[line]
        resource, own = fleet[int(requests.instance[at])], fields[int(requests.request[at])].of(visit)
        text = spoken(visit, text, int(own["variant"]), manner)
        body = _body(line, int(own["variant"]), mix, manner).fill({
            "time": time, "trace": int.from_bytes(ids.trace), "span": int.from_bytes(ids.span), "duration": took,
        })  # fmt: skip
        said = Said(_named(body.decode(), own), time, took / 1e6)
        found.append(log(visit, text, own, ids, said, number=number, resource=resource))
    return found


@cache
def _body(line: int, variant: int, mix: Mix, manner: int) -> Written:
    """What a line says, with placeholders for the fields of the request: compiling it for each record would be most of
    the cost of making records one by one."""
    visit, text = tables().line_of[line]
    fields = {**variants()[variant], **placeholders()}
    return written(visit, spoken(visit, text, variant, manner), fields, manner=manner, mix=mix)


def _named(text: str, fields: Mapping[str, str]) -> str:
    for name, placeholder in placeholders().items():
        text = text.replace(placeholder, fields[name])
    return text


def log(
    visit: Visit, line: Line, fields: Mapping[str, str], ids: LogIds, said: Said, *, number: int, resource: Resource
) -> LogRecord:
    """What a line looks like as a record."""
    severity_number, severity_text = line.severity
    attributes: dict[str, Value] = {
        "code.function.name": f"{visit.operation.service}.handlers.{visit.operation.name.split(' ')[0].lower()}",
        "thread.name": f"worker-{fields['worker']}",
        "user.id": fields["user"],
        "app.duration_ms": said.took_ms,
        ITEM_ATTRIBUTE: ids.item,
    }
    if visit.http_status is not None:
        attributes["http.response.status_code"] = visit.http_status
    if visit.error is not None:
        attributes["exception.type"] = visit.error[0]
        attributes["exception.message"] = visit.error[1].format_map(fields)
    return LogRecord(
        number, resource, said.time, severity_number, severity_text, said.body, ids.trace, ids.span,
        attributes,
    )  # fmt: skip
