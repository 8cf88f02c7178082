"""What a service says beside the point: warnings and housekeeping, which every log has and no request asked for.

An aside stands in the place of an ordinary record, with its trace context, so that how many records there are does not depend
on it. Each service has some of the remarks for its own.
"""

from __future__ import annotations

from runners.datagen.formats.pools import number
from runners.datagen.model.shapes import Visit
from runners.datagen.topology import DEBUG, ERROR, INFO, WARN, Line
from runners.ledger.identity import derive

SHARE = 1 << 27
"""Of 2^32: one record in thirty-two."""

_OWN = 9
_REMARKS = (
    (WARN, "pool {service}-db: {n} of 50 connections are in use, {few} callers wait"),
    (WARN, "slow: took {ms} ms, budget is 250 ms"),
    (WARN, "circuit to {service} peer half open after {few} failures"),
    (WARN, "queue depth {n} is above its high-water mark of 64"),
    (WARN, "certificate of {service}.shop.svc expires in {n} days"),
    (WARN, "clock is {ms} ms behind ntp.example.net"),
    (WARN, "deprecated header X-Shop-Client-Version in use, {few} callers left"),
    (WARN, "rate limit at {n} % for this client"),
    (INFO, "configuration reloaded, generation {n}"),
    (INFO, "feature checkout-v{few} is on for {n} % of the users"),
    (INFO, "cache warmed with {ms}00 entries in {n} ms"),
    (INFO, "leader of shard {few} is now {service}-{few}"),
    (INFO, "health check answered in {few} ms, {n} probes since the start"),
    (INFO, "rotated key {few} of {n}"),
    (INFO, "token refreshed, valid for {n} min"),
    (INFO, "collected garbage in {few} ms, heap {ms} MiB of 1024 MiB"),
    (INFO, "connection {few} to kafka-{few}.shop.svc:9092 opened again after {ms} ms"),
    (INFO, "compressed {ms} KiB to {n} KiB"),
    (DEBUG, "lock waited {few} ms for {n} readers"),
    (DEBUG, "evicted {n} entries older than {ms} s"),
)


def has_aside(visit: Visit, line: Line) -> bool:
    """May one stand in the place of this record?"""
    return visit.error is None and line.severity is not ERROR


def aside(visit: Visit, line: Line, variant: int) -> Line:
    """The one that does, for requests of this variant."""
    service = visit.operation.service
    which = derive("aside", service, visit.operation.name, round(line.at * 100), variant) % _OWN
    severity, remark = _REMARKS[(derive("remarks", service) + 7 * which) % len(_REMARKS)]
    of = (service, visit.operation.name, variant)
    text = remark.format(
        service=service, n=number(3, 90, "n", *of), few=number(1, 8, "few", *of), ms=number(101, 999, "ms", *of)
    )
    return Line(line.at, severity, text)
