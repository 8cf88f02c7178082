"""A release is what a provisioning that ended well was made from; going back finds the last good one."""

from pathlib import Path

import pytest

from runners.environment import releases
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventories" / "mine"
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text("platform: {}\n")
    (folder / "group_vars" / "all" / "main.yml").write_text("redis_maxmemory: 64mb\n")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    found = Environment(tmp_path / "env" / "mine")
    found.root.mkdir(parents=True)
    write_json(
        found.state, {"state": "ready", "wanted": {"only": []}, "services": [{"name": "redis", "version": "7.0"}]}
    )
    return found


def set_memory(inventory: Path, value: str) -> None:
    (inventory / "group_vars" / "all" / "main.yml").write_text(f"redis_maxmemory: {value}\n")


def change(environment: Environment, **entries: object) -> None:
    write_json(environment.state, read_json(environment.state) | entries)


def test_the_same_again_is_no_new_release(environment: Environment, inventory: Path) -> None:
    assert releases.record(environment, inventory) == (1, True)
    assert releases.record(environment, inventory) == (1, False)
    assert read_json(environment.state)["release"] == 1


def test_a_changed_inventory_setting_or_version_is_a_new_one(environment: Environment, inventory: Path) -> None:
    releases.record(environment, inventory)
    set_memory(inventory, "32mb")
    assert releases.record(environment, inventory) == (2, True)
    change(environment, wanted={"only": ["redis"]})
    assert releases.record(environment, inventory) == (3, True)
    change(environment, services=[{"name": "redis", "version": "7.2"}])
    assert releases.record(environment, inventory) == (4, True)
    assert [item.number for item in releases.known(environment)] == [1, 2, 3, 4]


def test_nobody_else_may_read_it(environment: Environment, inventory: Path) -> None:
    releases.record(environment, inventory)
    paths = [environment.releases, *environment.releases.rglob("*")]
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_looking_writes_nothing(environment: Environment, inventory: Path) -> None:
    assert releases.record(environment, inventory, dry=True) == (1, True)
    assert releases.known(environment) == [] and "release" not in read_json(environment.state)


def test_what_runs_goes_back_to_the_one_before(environment: Environment, inventory: Path) -> None:
    releases.record(environment, inventory)
    set_memory(inventory, "32mb")
    releases.record(environment, inventory)
    chosen = releases.choose(environment)
    assert chosen.number == 1
    assert (chosen.inventory / "group_vars/all/main.yml").read_text() == "redis_maxmemory: 64mb\n"


def test_what_failed_goes_back_to_the_last_that_ran(environment: Environment, inventory: Path) -> None:
    releases.record(environment, inventory)
    set_memory(inventory, "32mb")
    releases.record(environment, inventory)
    change(environment, state="failed")
    assert releases.choose(environment).number == 2


def test_the_release_one_went_back_to_is_the_same_release(environment: Environment, inventory: Path) -> None:
    releases.record(environment, inventory)
    set_memory(inventory, "32mb")
    releases.record(environment, inventory)
    assert releases.record(environment, releases.choose(environment).inventory) == (1, True)
    with pytest.raises(NotReady, match="runs its first release"):
        releases.choose(environment)
    assert releases.choose(environment, 2).number == 2
    with pytest.raises(NotReady, match="has no release 7"):
        releases.choose(environment, 7)


def test_without_a_release_the_remedy_is_an_up(environment: Environment) -> None:
    with pytest.raises(NotReady, match="testbed up mine"):
        releases.choose(environment)


def test_a_draft_that_was_killed_is_no_release(environment: Environment, inventory: Path) -> None:
    (environment.releases / "1.new").mkdir(parents=True)
    assert releases.known(environment) == []
    assert releases.record(environment, inventory) == (1, True)


def test_only_the_last_ones_are_kept(environment: Environment, inventory: Path) -> None:
    for number in range(releases.KEPT + 3):
        set_memory(inventory, f"{number}mb")
        releases.record(environment, inventory)
    assert [item.number for item in releases.known(environment)] == list(range(4, releases.KEPT + 4))


def test_what_is_installed_in_another_version_cannot_be_brought_back(environment: Environment, inventory: Path) -> None:
    releases.record(environment, inventory)
    change(environment, services=[{"name": "redis", "version": "7.2"}])
    release = releases.known(environment)[0]
    assert releases.other_versions(release, read_json(environment.state)) == ["redis was 7.0, now it is 7.2"]
