from __future__ import annotations

from pathlib import Path

import pytest

from runners.config.lookup import SHIPPED
from runners.datagen.plan import count, resends
from runners.datagen.scenario import load_scenario
from runners.datagen.world import World
from runners.ledger.identity import Identity
from runners.lib.errors import FileError
from tests.unit.datagen.worlds import TEXT, scenario, world


def test_the_shipped_smoke_is_as_large_as_it_says() -> None:
    plan = count(load_scenario(SHIPPED / "scenarios" / "smoke.yaml"), 42)
    assert plan.duration_s == 40
    assert plan.tenants == ("acme", "globex", "initech")
    assert plan.items["logs"] >= 20_000 and plan.items["traces"] >= 20_000 and plan.items["metrics"] >= 50_000
    assert plan.resent > 0


def test_the_shipped_drill_is_small_and_sends_again_too() -> None:
    plan = count(load_scenario(SHIPPED / "scenarios" / "drill.yaml"), 42)
    assert plan.duration_s == 8
    assert 5_000 <= plan.items["logs"] <= 8_000 and 5_000 <= plan.items["traces"] <= 8_000
    assert 11_000 <= plan.items["metrics"] <= 18_000
    assert plan.resent >= 3


@pytest.mark.parametrize("name", ["smoke", "drill"])
def test_shipped_requests_are_of_moderate_size(name: str) -> None:
    shipped = load_scenario(SHIPPED / "scenarios" / f"{name}.yaml")
    of = World(shipped, Identity("r", shipped.tenants), 42, 10**18)
    sizes = [of.parcel(batch).items for tick in (1, of.ticks // 2) for batch in of.batches(tick)]
    assert min(sizes) >= 60 and max(sizes) <= 800


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_dry_run_counts_exactly_what_is_sent(seed: int) -> None:
    plan, of = count(scenario(), seed), world(seed)
    sent = dict.fromkeys(plan.items, 0)
    requests = size = 0
    for tick in range(of.ticks + 1):
        for batch in of.batches(tick):
            parcel = of.parcel(batch)
            sent[batch.signal] += parcel.items
            requests += 1
            size += len(parcel.body)
    assert plan.items == sent
    assert plan.requests == requests
    assert abs(plan.bytes_estimate - size) < 0.15 * size


def test_a_longer_run_has_more_of_the_same() -> None:
    short, long = count(scenario(), 1, 6), count(scenario(), 1, 12)
    assert long.duration_s == 12 and long.series == short.series
    assert 1.7 < long.items["logs"] / short.items["logs"] < 2.3


def test_the_share_that_is_sent_again_is_kept_and_depends_on_the_seed() -> None:
    of = world()
    batches = [batch for tick in range(of.ticks) for batch in of.batches(tick)]
    chosen = {seed: [batch for batch in batches if resends(of.scenario, seed, batch)] for seed in (1, 4)}
    firsts = sum(batch.part == 0 for batch in batches)
    for found in chosen.values():
        assert abs(sum(batch.part == 0 for batch in found) - 0.1 * firsts) <= 1
        assert 0 < sum(batch.part > 0 for batch in found) < 0.3 * (len(batches) - firsts)
    assert chosen[1] != chosen[4]


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "remedy"),
    [
        ("requests: 20/s", "requets: 20/s", 11, "unknown key 'requets'", "requests"),
        ("duration: 6s", "duration: soon", 4, "not a duration", ""),
        ("errors: 15%", "errors: 150%", 13, "less than or equal to 1", ""),
        ("errors: 15%", "errors: many", 13, "not a share", "write for example 2%"),
        ("interval: 2s", "interval: 1500ms", 14, "no multiple of the tick", "write for example 2s"),
        ("{id: globex}", "{id: acme}", 8, "listed twice", "keep one"),
        ("{id: globex}", "{id: Globex Inc}", 8, "lower-case letters", "Globex Inc"),
        (
            "wave: {",
            "spikes: [{at: 9s, lasts: 1s, factor: 2}]\n  wave: {",
            12,
            "begins after the end",
            "move it forward",
        ),
        ("duration: 6s\n", "", 2, "duration", ""),
        ("duration: 6s", "duration: .inf", 4, "finite number", "inf"),
        ("requests: 20/s", "requests: .inf", 11, "finite number", "inf"),
        ("weight: 3", "weight: .inf", 7, "finite number", "inf"),
        ("weight: 3", "weight: 1.0e+308", 7, "less than or equal to", "1e+308"),
        ("interval: 2s", "interval: .inf", 14, "finite number", "inf"),
        ("interval: 2s", "restart: .inf", 14, "finite number", "inf"),
        ("max_items: 80", "timeout: .inf", 15, "finite number", "inf"),
        ("interval: 2s", "restart: 1s", 14, "shorter than metrics.interval (10s)", "write 10s or more"),
        ("instances: 2", "instances: 99", 9, "instances: Input should be less", "99"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, *, message: str, remedy: str
) -> None:
    path = tmp_path / "mine.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        load_scenario(path)
    assert message in str(caught.value)
    assert remedy in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.line == line


def test_a_load_scenario_is_sent_to_its_own_command(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("load: browse\nusers: 5\n")
    with pytest.raises(FileError, match="testbed load run") as caught:
        load_scenario(path)
    assert caught.value.line == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such scenario"):
        load_scenario(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("content", "said", "remedy"),
    [(b"", "keys and values are wanted", "empty"), (b"ab\xff", "byte 3 is 0xff", "save it as UTF-8")],
)
def test_a_file_that_holds_no_scenario_is_told_in_plain_words(
    tmp_path: Path, content: bytes, said: str, remedy: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        load_scenario(path)
    assert said in str(error.value) and remedy in str(error.value)
    assert "codec" not in str(error.value) and "None" not in str(error.value)
