"""What is measured: a whole production-day in columns, and the text of every eighth second as it goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from runners.datagen.model.requests import Requests
from runners.datagen.scenario import load_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity

SCENARIO = Path(__file__).resolve().parents[2] / "runners" / "shipped" / "scenarios" / "production-day.yaml"
SEED, START_NS = 42, 1_795_000_000 * 10**9
EVERY = 8
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Written:
    """One log record as it was sent."""

    tenant: str
    service: str
    severity: str
    body: str
    time: int
    trace: bytes
    attributes: dict[str, str]


@dataclass(frozen=True, eq=False)
class Sample:
    """requests: by tenant and tick; lines: of some ticks, in the order of time; bodies: the requests they came in."""

    world: World
    requests: tuple[tuple[Requests, ...], ...]
    lines: tuple[Written, ...]
    bodies: tuple[bytes, ...]

    @property
    def every(self) -> list[Requests]:
        return [tick for tenant in self.requests for tick in tenant]


@lru_cache(maxsize=1)
def sample() -> Sample:
    """The same on every machine; takes a few seconds."""
    scenario = load_scenario(SCENARIO)
    world = World(scenario, Identity("realism", scenario.tenants), SEED, START_NS)
    requests = tuple(tuple(world.requests(of, tick) for tick in range(world.ticks)) for of in range(len(world.tenants)))
    lines: list[Written] = []
    bodies: list[bytes] = []
    for tick in range(0, world.ticks, EVERY):
        for batch in world.batches(tick):
            if batch.signal == "logs":
                bodies.append(body := bytes(world.parcel(batch).body))
                lines += _lines(world.tenants[batch.tenant], body)
    return Sample(world, requests, tuple(sorted(lines, key=lambda line: line.time)), tuple(bodies))


def _lines(tenant: str, body: bytes) -> list[Written]:
    found = []
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        about = _texts(resource.resource.attributes)
        for scope in resource.scope_logs:
            for record in scope.log_records:
                found.append(
                    Written(
                        tenant, about["service.name"], record.severity_text, record.body.string_value,
                        record.time_unix_nano, record.trace_id, about | _texts(record.attributes),
                    )
                )  # fmt: skip
    return found


def _texts(attributes: object) -> dict[str, str]:
    pairs: list[KeyValue] = list(attributes)  # type: ignore[call-overload]
    return {pair.key: pair.value.string_value for pair in pairs}
