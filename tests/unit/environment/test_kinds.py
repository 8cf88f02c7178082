"""An environment of one kind does not become one of another: what there is of it would be forgotten."""

from pathlib import Path
from typing import Any

import pytest

from runners.environment import service
from runners.environment.kinds import require_same
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment, Home


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    found = Home(tmp_path).env("blue")
    found.root.mkdir(parents=True)
    return found


@pytest.mark.parametrize("state", ["ready", "provisioning", "absent", "failed"])
def test_one_of_another_kind_that_is_there_or_whose_data_is_kept_is_in_the_way(
    environment: Environment, state: str
) -> None:
    write_json(environment.state, {"kind": "local", "state": state})
    require_same(environment, "local")
    for kind in ("compose", "remote", "external"):
        with pytest.raises(NotReady, match="of kind local") as told:
            require_same(environment, kind)
        assert "testbed down blue" in str(told.value.remedy)


@pytest.mark.parametrize("recorded", [None, {"kind": "external", "state": "ready"}])
def test_where_nothing_of_ours_is_nothing_is_in_the_way(
    environment: Environment, recorded: dict[str, Any] | None
) -> None:
    if recorded:
        write_json(environment.state, recorded)
    require_same(environment, "compose")


def test_a_failed_one_that_was_rolled_back_is_in_nobodys_way(environment: Environment) -> None:
    write_json(environment.state, {"kind": "local", "state": "failed"})
    write_json(environment.failure, {"rolled_back": True})
    require_same(environment, "compose")


def test_a_deployment_is_not_attached_in_the_place_of_a_running_environment(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "target.yml").write_text("{}")
    write_json(environment.state, recorded := {"kind": "local", "state": "ready", "env_id": "1"})
    with pytest.raises(NotReady, match="of kind local"):
        service.up(Home(tmp_path), "blue", source=str(tmp_path / "there"))
    assert read_json(environment.state) == recorded


def test_kept_data_is_not_probed(environment: Environment, tmp_path: Path) -> None:
    write_json(environment.state, {"kind": "local", "state": "absent", "target_file": "t"})
    with pytest.raises(NotReady, match="is absent"):
        service.verify(Home(tmp_path), "blue")
