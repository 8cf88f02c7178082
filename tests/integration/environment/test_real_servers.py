"""Prometheus, Alertmanager, Loki and Tempo for real: started, looked at, killed, stopped, gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from observastack.ingest.sinks.grpc import Channel
from runners.datagen.scenario import load_scenario
from runners.datagen.world import World
from runners.environment import service
from runners.environment.host import binaries, processes, secrets
from runners.environment.host.supervisor import Control
from runners.ledger.identity import Identity
from runners.ledger.items import Span
from runners.lib import proc
from runners.lib.errors import NotReady, UsageError
from runners.lib.files import read_json
from runners.lib.home import Environment, Home
from runners.wire.stores import PrometheusSink
from tests.integration.datagen.stage import SCENARIO
from tests.integration.environment.test_local import assert_gone, wait_for

pytestmark = [pytest.mark.environment, pytest.mark.timeout(180)]

NAME = "local"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROGRAMS = {
    "prometheus": ["prometheus"], "alertmanager": ["alertmanager", "prometheus-alertmanager"], "loki": ["loki"],
    "tempo": ["tempo"],
}  # fmt: skip
Stack = tuple[Home, Environment, service.Up]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The servers alone, as the stores of a platform that is not there."""
    there = [name for name, programs in PROGRAMS.items() if isinstance(binaries.server(programs), binaries.Binary)]
    if missing := PROGRAMS.keys() - set(there):
        pytest.skip(f"not in TESTBED_BIN_DIR or on PATH: {', '.join(sorted(missing))}")
    home = Home(tmp_path_factory.mktemp("homes") / "a home")
    done = service.up(home, NAME, stores="real", only=there)
    yield home, home.env(NAME), done
    service.down(home, NAME, force=True)


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read())


def listeners(environment: Environment) -> set[tuple[str, int]]:
    """(address, port) of every socket on which a process of the environment listens."""
    own = set()
    for pid in processes.members(processes.ENV_MARK, read_json(environment.state)["env_id"]):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                own.add(str(entry.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_nothing_differs_from_what_was_provisioned_rules_included(stack: Stack) -> None:
    home, _, _ = stack
    assert service.drift(home, NAME)["items"] == []


def test_each_is_real_and_its_version_and_its_use_are_told(stack: Stack) -> None:
    _, _, done = stack
    told = {item["name"]: item for item in done.status["services"]}
    assert set(told) == set(PROGRAMS)
    assert {(item["implementation"], item["health"]) for item in told.values()} == {("real", "healthy")}
    assert all(item["version"][0].isdigit() for item in told.values())
    assert done.status["stores"] == {"logs": "loki", "metrics": "prometheus", "traces": "tempo"}
    assert told["loki"]["note"] == "keeps logs"
    assert all(0 < item["took_s"] < 60 for item in told.values())
    assert {name for name, url in done.status["urls"].items() if url} == set(PROGRAMS)


def test_nothing_listens_but_on_loopback_and_on_ports_of_the_block(stack: Stack) -> None:
    _, environment, _ = stack
    found = listeners(environment)
    assert {address for address, _ in found} == {"0100007F"}
    ports = read_json(environment.state)["ports"]
    names = {name for name, port in ports.items() if port in {port for _, port in found}}
    assert {port for _, port in found} <= set(ports.values())
    assert names == {*PROGRAMS, "loki_grpc", "tempo_grpc", "tempo_otlp", "supervisor"}


def test_up_again_changes_nothing(stack: Stack) -> None:
    home, _, _ = stack
    before = {item["name"]: item["pid"] for item in service.status(home, NAME)["services"]}
    again = service.up(home, NAME, stores="real", only=list(PROGRAMS))
    assert again.changed == 0
    assert {item["name"]: item["pid"] for item in again.status["services"]} == before


def test_prometheus_sees_the_others_and_the_alertmanager(stack: Stack) -> None:
    _, _, done = stack
    url = done.status["urls"]["prometheus"]

    def jobs() -> set[str]:
        targets = ask(f"{url}/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    # Loki counts per tenant: one is made known to it.
    push = urllib.request.Request(
        f"{done.status['urls']['loki']}/loki/api/v1/push", method="POST",
        data=json.dumps({"streams": [{"stream": {"a": "b"}, "values": [[str(time.time_ns()), "x"]]}]}).encode(),
        headers={"X-Scope-OrgID": "acme", "Content-Type": "application/json"},
    )  # fmt: skip
    urllib.request.urlopen(push, timeout=5).close()
    wait_for(lambda: jobs() == set(PROGRAMS))
    about = f"{url}/api/v1/series?match[]=%7Babout_tenant%3D%22acme%22%7D"
    wait_for(lambda: ask(about)["data"])
    scraped = urllib.parse.quote('{tenant!="",job!=""}')
    mine = ask(f"{url}/api/v1/series?match[]={scraped}")["data"]
    assert mine == [], "the servers' own series must not look like a tenant's"
    alertmanagers = ask(f"{url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert [item["url"] for item in alertmanagers] == [f"{done.status['urls']['alertmanager']}/api/v2/alerts"]


def test_what_happened_yesterday_is_taken_in_and_found_by_its_time(stack: Stack, tmp_path: Path) -> None:
    """Though newer things are there already: past days may be filled in."""
    _, environment, done = stack
    urls, ports = done.status["urls"], read_json(environment.state)["ports"]
    (tmp_path / "quick.yaml").write_text(SCENARIO)
    scenario = load_scenario(tmp_path / "quick.yaml")
    start_ns = time.time_ns() - 86_400 * 10**9
    world = World(scenario, Identity("yesterday", scenario.tenants), 7, start_ns, 2.0)
    wait_for(lambda: ask(f"{urls['prometheus']}/api/v1/query?query=up")["data"]["result"])
    prometheus, tempo = PrometheusSink(urls["prometheus"]), Channel(f"127.0.0.1:{ports['tempo_otlp']}", 10)
    wanted = set()
    for tick in range(world.ticks + 1):
        for batch in world.batches(tick):
            if batch.signal == "metrics" and batch.tenant == 0:
                assert prometheus.send(world.parcel(batch, wire="remote_write")).status == 204
            if batch.signal == "traces" and batch.tenant == 0:
                body = bytes(world.parcel(batch).body)
                assert tempo.unary(EXPORT, body, {"x-scope-orgid": "acme"})[0] == 0
        wanted |= {one.trace_id.hex() for one in world.slice(0, "traces", tick) if isinstance(one, Span)}
    prometheus.close()
    second = start_ns // 10**9
    query = urllib.parse.urlencode({"query": '{__name__=~"process.thread.count"}', "time": second + 3})
    assert ask(f"{urls['prometheus']}/api/v1/query?{query}")["data"]["result"]

    urllib.request.urlopen(f"{urls['tempo']}/flush", timeout=20).close()
    times = f"start={second - 1}&end={second + 10}"
    search = urllib.request.Request(f"{urls['tempo']}/api/search?{times}&limit=1000", headers={"X-Scope-OrgID": "acme"})

    def found() -> set[str]:
        with urllib.request.urlopen(search, timeout=5) as answer:
            return {one["traceID"].rjust(32, "0") for one in json.loads(answer.read()).get("traces") or ()}

    assert wanted
    wait_for(lambda: found() == wanted)


def test_no_token_is_shown_by_the_alertmanager_or_on_a_command_line(stack: Stack) -> None:
    _, environment, done = stack
    texts = [json.dumps(ask(f"{done.status['urls']['alertmanager']}/api/v2/status"))]
    texts += [path.read_text(errors="replace") for path in environment.logs.iterdir()]
    for pid in processes.members(processes.ENV_MARK, read_json(environment.state)["env_id"]):
        texts.append(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))
    values = secrets.values(environment.secrets)
    assert [value for value in values for text in texts if value in text] == []
    assert "tenant-acme" in texts[0]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_killed_server_is_started_again_and_is_healthy(stack: Stack, name: str) -> None:
    home, environment, _ = stack
    control = Control(read_json(environment.state)["supervisor"])
    pid = control.processes()[name].pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: control.processes()[name].pid not in (0, pid), 5)
    wait_for(lambda: service.status(home, NAME)["state"] == "ready")


def test_an_orderly_restart_of_the_slowest_ends_in_time(stack: Stack) -> None:
    """Tempo 1.5 takes half a minute for its end; it is not given that long."""
    home, _, _ = stack
    began = time.monotonic()
    done = service.restart(home, NAME, "tempo")
    assert time.monotonic() - began < 25
    assert (found := proc.stat(done["pid"])) is not None and found.alive


def test_what_is_not_there_says_why(stack: Stack) -> None:
    home, environment, _ = stack
    service.up(home, NAME, stores="embedded", only=list(PROGRAMS))
    document = service.status(home, NAME)
    assert document["state"] == "ready"
    told = {item["name"]: item for item in document["services"]}
    assert (told["loki"]["state"], told["loki"]["implementation"]) == ("absent", "embedded")
    assert told["loki"]["reason"] == "stores=embedded: the embedded store keeps logs"
    with pytest.raises(NotReady, match="the embedded store keeps logs"):
        service.restart(home, NAME, "loki")
    assert "loki" not in Control(read_json(environment.state)["supervisor"]).processes()


def test_down_leaves_nothing(stack: Stack) -> None:
    home, environment, _ = stack
    recorded = read_json(environment.state)
    assert service.down(home, NAME)
    assert_gone(environment, recorded)


def test_a_server_that_does_not_start_is_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "loki"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'loki, version 3.9.9' && exit 0\necho 'no such schema' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("TESTBED_BIN_DIR", str(program.parent))
    home = Home(tmp_path / "home")
    with pytest.raises(NotReady, match=r"loki: .*again and again.*\n.*no such schema"):
        service.up(home, NAME, stores="real", only=["loki", "redis"])
    failure = service.status(home, NAME)["failure"]
    assert [cause["service"] for cause in failure["root_causes"]] == ["loki"]
    assert "redis" in failure["healthy"]
    service.down(home, NAME)


def test_stores_that_nobody_has_are_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path))
    home = Home(tmp_path / "home")
    with pytest.raises((NotReady, UsageError), match=r"identity=keycloak, but there is no kc\.sh"):
        service.up(home, NAME, identity="keycloak", only=["redis", "backend"])
    service.down(home, NAME)
