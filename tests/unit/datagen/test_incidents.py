"""Anomalies and quiet windows in a scenario: what is refused, and what a run's labels say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.datagen import incidents
from runners.datagen.clock import schedule
from runners.datagen.labels import labels
from runners.datagen.model.series import series_of
from runners.datagen.scenario import Scenario, read_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity
from runners.ledger.items import Sample
from runners.lib.errors import FileError

HEAD = """scenario: small
duration: 60s
tenants: [{id: acme}, {id: globex}]
load: {requests: 100/s}
"""
DIP = "{name: a, kind: dip, target: {tenant: acme}, at: 20s, lasts: 10s, magnitude: 20%}"


def scenario(text: str) -> Scenario:
    return read_scenario((HEAD + text).encode(), Path("small.yaml"))


def per_tick(of: Scenario, tenant: int) -> list[int]:
    plan = schedule(of.file, tenant, 0)
    return [len(plan.requests(tick)) for tick in range(plan.ticks)]


def test_a_dip_of_one_tenant_leaves_the_other_alone() -> None:
    of = scenario(f"anomalies: [{DIP}]")
    assert per_tick(of, 0)[18:32] == [50] * 2 + [10] * 10 + [50] * 2
    assert set(per_tick(of, 1)) == {50}


def test_without_anomalies_nothing_is_multiplied() -> None:
    assert per_tick(scenario(""), 0) == [50] * 60


@pytest.mark.parametrize(
    ("anomaly", "message", "remedy"),
    [
        (DIP.replace("dip", "outage"), "Input should be", ""),
        (DIP.replace("acme", "acmee"), "there is no tenant 'acmee'", "did you mean 'acme'"),
        (DIP.replace("{tenant: acme}", "{service: paymnt}"), "there is no service 'paymnt'", "did you mean 'payment'"),
        (DIP.replace("{tenant: acme}", "{service: payment}"), "requests are a tenant's", "name a tenant"),
        (DIP.replace("{tenant: acme}", "{series: nope}"), "there is no series 'nope'", "process.memory.usage"),
        (DIP.replace("{tenant: acme}", "{host: x}"), "unknown key 'host'", "valid: series, service, tenant"),
        (DIP.replace("20s", "70s"), "after the end", "move it forward"),
        (DIP.replace("20%", "2"), "a dip by 2 is none", "20%"),
        (DIP.replace("20%", "much"), "not a magnitude", "x3 or 40%"),
        (DIP.replace("dip", "spike"), "a spike by 0.2 is none", "x4"),
        (DIP.replace("dip", "drift").replace("20%", "1"), "a drift by 1 is none", "x2"),
        (DIP.replace("20%}", "20%, alert: {name: X}}"), "key 'within' is missing", "add 'within:'"),
        (f"{DIP}, {DIP}", "listed twice", "another name"),
        (DIP.replace("20s", ".inf"), "finite number", "inf"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_line(anomaly: str, message: str, remedy: str) -> None:
    with pytest.raises(FileError) as caught:
        scenario(f"anomalies:\n  [{anomaly}]\n")
    assert message in str(caught.value) and remedy in str(caught.value)
    assert (caught.value.line, caught.value.exit_code) == (6, 2)


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        ("error-burst", "{tenant: acme}", "strikes a service"),
        ("silent", "{}", "strikes a service"),
        ("saturation", "{service: payment}", "strikes a series"),
        ("error-burst", "{service: payment}", "not a share"),
        ("latency", "{service: payment}", "a latency by 0 is none"),
    ],
)
def test_each_kind_wants_its_target_and_magnitude(kind: str, target: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        scenario(f"anomalies: [{{name: a, kind: {kind}, target: {target}, at: 1s, lasts: 5s}}]\n")


def test_deploys_of_one_service_follow_one_another_and_silence_has_no_degree() -> None:
    one = "{name: a, kind: deploy, target: {service: cart}, at: 1s, lasts: 5s}"
    for other in (
        one.replace("name: a", "name: b"),
        one.replace("name: a", "name: b").replace("cart", "cart, tenant: acme"),
    ):
        with pytest.raises(FileError, match="a deploy while 'a' still lasts"):
            scenario(f"anomalies: [{one}, {other}]\n")
        scenario(f"anomalies: [{one}, {other.replace('at: 1s', 'at: 6s')}]\n")
    with pytest.raises(FileError, match="not more or less silent"):
        scenario(f"anomalies: [{one.replace('deploy', 'silent').replace('5s}', '5s, magnitude: 20%}')}]\n")


@pytest.mark.parametrize(
    ("kind", "at", "lasts", "felt"),
    [
        ("dip", "1200ms", "700ms", False),  # between two ticks
        ("dip", "1200ms", "801ms", True),
        ("dip", "59500ms", "10s", False),  # in the last one, after its beginning
        ("spike", "5s", "1s", False),  # it has not begun to rise when it is over
        ("spike", "5s", "2s", True),
        ("drift", "5s", "1s", False),
        ("level-shift", "5s", "1s", True),
    ],
)
def test_what_no_tick_would_feel_is_refused(kind: str, at: str, lasts: str, *, felt: bool) -> None:
    magnitude = "20%" if kind == "dip" else "x3"
    text = f"anomalies:\n  [{{name: a, kind: {kind}, at: {at}, lasts: {lasts}, magnitude: {magnitude}}}]\n"
    if felt:
        read = scenario(text)
        assert per_tick(read, 0) != [50] * 60
        return
    with pytest.raises(FileError, match="nothing comes of it") as caught:
        scenario(text)
    assert caught.value.line == 6


def test_nothing_may_go_wrong_in_a_quiet_window() -> None:
    scenario(f"anomalies: [{DIP}]\nquiet: [{{at: 0s, lasts: 20s}}, {{at: 30s, lasts: 30s}}]\n")
    with pytest.raises(FileError, match="overlaps anomaly 'a'") as caught:
        scenario(f"anomalies: [{DIP}]\nquiet:\n  - {{at: 0s, lasts: 21s}}\n")
    assert caught.value.line == 7
    with pytest.raises(FileError, match="begins after the end"):
        scenario("quiet: [{at: 60s, lasts: 1s}]\n")


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("{requests: 2k/s, volume: 50 GB/day}", "both requests and volume"),
        ("{}", "neither requests nor volume"),
        ("{volume: 50 GB}", "write for example 2 MB/s or 50 GB/day"),
        ("{volume: 50 GB/fortnight}", "write for example 2 MB/s or 50 GB/day"),
    ],
)
def test_the_load_is_given_in_one_way(load: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        read_scenario(HEAD.replace("{requests: 100/s}", load).encode(), Path("small.yaml"))
    assert caught.value.line == 4


def test_labels_say_what_happens_and_which_alert_must_fire_by_when() -> None:
    alert = "alert: {name: TrafficDropped, within: 45s}"
    of = scenario(
        f"anomalies:\n  - {DIP.replace('20%}', f'20%, {alert}}}')}\n"
        "  - {name: late, kind: level-shift, at: 50s, lasts: 30s, magnitude: x2}\nquiet: [{at: 0s, lasts: 10s}]\n"
    )
    told = labels(of, run="r", seed=7, start_ns=1_000 * 10**9, duration_s=60)
    json.dumps(told)
    assert (told["from"], told["to"], told["seed"], told["tenants"]) == (1000, 1060, 7, ["acme", "globex"])
    dip, shift = told["anomalies"]
    assert (dip["tenants"], dip["from"], dip["to"], dip["magnitude"]) == (["acme"], 1020, 1030, 0.2)
    assert dip["alert"] == {"name": "TrafficDropped", "by": 1065}
    assert (shift["tenants"], shift["to"], shift["alert"]) == (["acme", "globex"], 1060, None)
    assert told["quiet"] == [{"from": 1000, "to": 1010}]
    assert [one["name"] for one in labels(of, run="r", seed=7, start_ns=0, duration_s=30)["anomalies"]] == ["a"]


def test_a_volume_is_met_within_a_tenth() -> None:
    text = "scenario: big\nduration: 8s\ntenants: [{id: acme}]\nload: {volume: 50 GB/day}\nerrors: 1%\n"
    of = read_scenario(text.encode(), Path("big.yaml"))
    world = World(of, Identity("r", of.tenants), 42, 10**18)
    size = sum(
        len(world.parcel(batch).body)
        for tick in range(world.ticks) for batch in world.batches(tick) if batch.signal != "metrics"
    )  # fmt: skip
    assert abs(size / 8 / (50e9 / 86_400) - 1) < 0.1


def disks(text: str) -> dict[tuple[str, str, int], float]:
    """Fill of each disk by service, instance and tick, of tenant acme."""
    head = HEAD.replace("100/s", "3/s") + "metrics: {interval: 5s, cpus: 1}\ninstances: 1\n"
    of = read_scenario((head + text).encode(), Path("small.yaml"))
    world = World(of, Identity("r", of.tenants), 42, 10**18)
    return {
        (item.resource.service, f"{item.resource.instance_id} {item.attributes['system.filesystem.mountpoint']}", tick): float(item.value)
        for tick in range(60) for item in world.slice(0, "metrics", tick)
        if isinstance(item, Sample) and item.name == "system.filesystem.utilization"
    }  # fmt: skip


def test_a_disk_fills_up_at_the_service_that_is_struck_and_nowhere_else() -> None:
    full = "{name: full, kind: saturation, target: {tenant: acme, service: payment, series: system.filesystem.utilization}, at: 15s, lasts: 30s, magnitude: 97%}"
    plain, struck = disks(""), disks(f"anomalies: [{full}]")
    assert plain.keys() == struck.keys()
    hit = {key for key in plain if key[0] == "payment" and 15 <= key[2] < 45}
    assert hit and all(struck[key] == plain[key] for key in plain.keys() - hit)
    assert {struck[key] for key in hit if key[2] >= 21} == {0.97}
    assert all(plain[key] < struck[key] < 0.97 for key in hit if 15 < key[2] < 21)


def test_no_disk_is_more_than_full() -> None:
    surge = "{name: surge, kind: level-shift, target: {series: system.filesystem.utilization}, at: 1s, lasts: 50s, magnitude: x9}"
    assert max(disks(f"anomalies: [{surge}]").values()) == 1


def test_series_that_can_be_changed_are_there_and_no_counters() -> None:
    host = {series.name: series.instrument for series in series_of(0, 1, histograms=True)}
    assert {host[name] for name in incidents.SERIES} <= {"gauge", "updown"}
