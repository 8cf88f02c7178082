"""Operations and runs keep each other out; queries disturb nobody."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.environment import lease
from runners.lib import locks
from runners.lib.errors import Leased
from runners.lib.home import Environment, Home

RUN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


@pytest.fixture
def environment(home: Home) -> Environment:
    environment = home.env("local")
    environment.root.mkdir()
    return environment


@pytest.fixture
def driven(environment: Environment) -> Iterator[None]:
    fd = locks.open_lock(environment.lease)
    assert locks.try_lock(fd)
    environment.lease.write_text(json.dumps({"run": RUN, "pid": 1}))
    yield
    import os

    os.close(fd)


def test_an_operation_is_seen_while_it_lasts(home: Home, environment: Environment) -> None:
    with lease.operation(home, environment, "up"):
        held = lease.holder(home, environment)
        assert held is not None and held["operation"] == "up"
    assert lease.holder(home, environment) is None


@pytest.mark.usefixtures("driven")
def test_a_run_keeps_operations_out_and_is_named(home: Home, environment: Environment) -> None:
    with pytest.raises(Leased, match=RUN), lease.operation(home, environment, "down"):
        pytest.fail("it must not be entered")


@pytest.mark.usefixtures("driven")
def test_force_goes_on_and_leaves_the_content_of_the_run(home: Home, environment: Environment) -> None:
    with lease.operation(home, environment, "down", force=True):
        pass
    assert json.loads(environment.lease.read_text())["run"] == RUN


def test_a_run_that_died_without_an_end_still_holds_it(home: Home, environment: Environment) -> None:
    environment.lease.write_text(json.dumps({"run": RUN}))
    (home.live / RUN).touch()
    assert lease.holder(home, environment) == {"run": RUN}
    with pytest.raises(Leased), lease.operation(home, environment, "up"):
        pytest.fail("it must not be entered")


def test_a_run_that_ended_holds_nothing(home: Home, environment: Environment) -> None:
    environment.lease.write_text(json.dumps({"run": RUN}))
    assert lease.holder(home, environment) is None
    with lease.operation(home, environment, "up"):
        pass


def test_an_operation_that_was_killed_holds_nothing(home: Home, environment: Environment) -> None:
    environment.lease.write_text(json.dumps({"operation": "up", "pid": 1}).ljust(lease.SIZE))
    assert lease.holder(home, environment) is None


def test_force_is_for_runs_two_operations_would_undo_each_other(home: Home, environment: Environment) -> None:
    with (
        lease.operation(home, environment, "up"),
        pytest.raises(Leased, match="testbed up"),
        lease.operation(home, environment, "down", force=True),
    ):
        pytest.fail("it must not be entered")
