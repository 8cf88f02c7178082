"""Spans through the platform's gateway into the real Tempo: each trace is there with exactly its spans."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from observastack.tests.gateway import running_gateway
from observastack.tests.platform import Tokens, build_platform
from observastack.tests.stores import Server, tempo_server
from runners.datagen.auditing import world_of
from runners.datagen.plan import count
from runners.datagen.scenario import read_scenario
from runners.ledger.header import read_header
from runners.ledger.items import Span
from tests.faulty import postgres
from tests.integration.datagen.platform import environment
from tests.integration.datagen.stage import SCENARIO, generate

TENANTS = ("acme", "globex", "initech")


def spans_of(tempo: Server, tenant: str, trace_id: str) -> list[bytes]:
    """Ids of the spans that Tempo gives for a trace; none when the tenant has no such trace."""
    answer = httpx.get(
        f"{tempo.url}/api/traces/{trace_id}", headers={"X-Scope-OrgID": tenant, "Accept": "application/protobuf"}
    )
    assert answer.status_code in (200, 404), answer.text
    if answer.status_code == 404:
        return []
    groups = TracesData.FromString(answer.content).resource_spans
    return [span.span_id for group in groups for scope in group.scope_spans for span in scope.spans]


@pytest.mark.timeout(240)
def test_tempo_has_exactly_the_traces_and_spans_of_each_tenant(tmp_path: Path) -> None:
    with tempo_server(tmp_path / "tempo") as tempo, postgres() as database:
        config = build_platform(
            tmp_path / "platform", f"postgresql://postgres@127.0.0.1:{database.ports[0]}/postgres",
            stores={"traces": "tempo", "tempo_url": tempo.url, "tempo_otlp": tempo.otlp},
        )  # fmt: skip
        with running_gateway(config, tmp_path) as gateway:
            environment(tmp_path, gateway.url)
            identities = tmp_path / "env" / "local" / "secrets" / "identities.json"
            document = json.loads(identities.read_text())
            tokens = Tokens(config)
            for user in document["users"]:
                user["token"] = tokens(user["tenant"], tuple(user["roles"]))
            identities.write_text(json.dumps(document))
            start = time.time_ns() - 10 * 10**9
            stage = generate(tmp_path, SCENARIO, start_ns=start)
            assert stage.end() == 0, stage.events()[-1]
        world = world_of(stage.ledger, read_header(stage.ledger))
        wanted: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        for number, tenant in enumerate(TENANTS):
            for tick in range(world.ticks + 1):
                for one in world.slice(number, "traces", tick):
                    assert isinstance(one, Span)
                    wanted[tenant, one.trace_id.hex()].append(one.span_id)
        assert sum(map(len, wanted.values())) == count(read_scenario(SCENARIO.encode(), Path("x")), 42).items["traces"]
        found = {key: sorted(set(spans_of(tempo, *key))) for key in wanted}
        assert found == {key: sorted(spans) for key, spans in wanted.items()}
        others = {("acme" if tenant != "acme" else "globex", trace) for tenant, trace in list(wanted)[::20]}
        assert not [key for key in others if spans_of(tempo, *key)], "nobody else sees them"
