"""What is recorded of an environment before anything of it changes, and what looking at it alone may do."""

from pathlib import Path
from typing import Any

import pytest

from runners.config.lookup import PROJECT
from runners.environment import inventory
from runners.environment.host import accounts, folders, programs, workspace
from runners.environment.host.binaries import Binary
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

_loaded = inventory.load(PROJECT / "inventories" / "local").catalogue
assert _loaded is not None
CATALOGUE: dict[str, dict[str, Any]] = {
    name: entry.model_dump(mode="json") for name, entry in _loaded.testbed_services.items()
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    found = Environment(tmp_path / "env" / "local")
    monkeypatch.setattr(folders, "place_cluster", lambda _environment, _id: (None, found.data / "postgres", []))
    monkeypatch.setattr(
        programs, "required_servers", lambda names, _cluster: {name: Binary(Path("/x"), "7.0", "/x") for name in names}
    )
    return found  # fmt: skip


def prepare(environment: Environment, *, dry: bool = False, **settings: Any) -> workspace.Prepared:
    return workspace.prepare(
        environment, CATALOGUE, supervisor_port=9001, inventory="i", target_file="t", only=["redis"], port_offset=0,
        dry=dry, **settings,
    )  # fmt: skip


def test_what_is_being_changed_is_not_ready_until_all_of_it_holds(environment: Environment) -> None:
    """An up that is killed half-way would else be `ready`, with the new defects recorded and the old program running."""
    prepare(environment)
    workspace.finish(environment, {})
    assert prepare(environment).changed == [] and read_json(environment.state)["state"] == "ready"
    assert prepare(environment, defects=["slow_search"], dry=True).changed
    assert read_json(environment.state)["state"] == "ready"
    prepare(environment, defects=["slow_search"])
    assert read_json(environment.state)["state"] == "provisioning"
    assert prepare(environment, defects=["slow_search"]).changed == []
    workspace.finish(environment, {})
    assert read_json(environment.state)["state"] == "ready"


@pytest.mark.parametrize("before", ["absent", "failed"])
def test_what_is_provisioned_again_is_there_from_the_first_moment_on(environment: Environment, before: str) -> None:
    prepare(environment)
    workspace.finish(environment, {})
    state = read_json(environment.state)
    write_json(environment.state, state | {"state": before})
    prepare(environment)
    assert read_json(environment.state)["state"] == "provisioning"


def test_looking_copies_no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, outside, changed = tmp_path / "package" / "pginstall" / "bin", tmp_path / "outside", list[str]()
    found.mkdir(parents=True)
    (found / "initdb").write_text("")
    outside.mkdir()
    monkeypatch.setattr(accounts, "works_as", lambda _account, command: "outside" in command[0])
    account = type("Account", (), {"pw_name": "postgres"})
    facts: dict[str, Any] = {"binaries": {"postgres": {"folder": str(found)}}}
    programs.make_reachable(facts, account, outside, changed, dry=True)
    assert changed == [str(outside / "programs")] and list(outside.iterdir()) == []
    told = facts["binaries"]["postgres"]["folder"]
    facts["binaries"]["postgres"]["folder"] = str(found)
    programs.make_reachable(facts, account, outside, [], dry=False)
    assert facts["binaries"]["postgres"]["folder"] == told and (Path(told) / "initdb").exists()
