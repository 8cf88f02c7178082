"""The load scenario: its grammar, its errors, what it changes."""

from pathlib import Path

import pytest

from runners.config import lookup
from runners.lib.errors import FileError
from runners.load import scenario
from runners.load.pace import Pace

GOOD = """\
load: mine
users: 10
think: {min: 100ms, max: 300ms}
mix:
  search.logs: 2
  traces.get: 1
"""


def load(folder: Path, text: str, **changes: object) -> scenario.Scenario:
    path = folder / "mine.yaml"
    path.write_text(text)
    return scenario.load(path, dict(changes))


def test_the_shipped_scenario_has_twenty_users_and_four_operations() -> None:
    browse = scenario.load(lookup.find("scenarios", "browse"))
    assert browse.users >= 20
    assert set(browse.mix) == {"auth.login", "search.logs", "traces.get", "metrics.query"}
    assert Pace(browse).target_rate > 20


def test_an_operation_brings_the_search_that_it_needs(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).operations == ("search.logs", "traces.get", "search.traces")
    queries = GOOD.replace("traces.get", "metrics.query")
    assert "search.metrics" in load(tmp_path, queries).operations
    assert "search.metrics" not in load(tmp_path, queries + 'queries: ["up"]\n').operations


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("users: 10", "user: 10", 2, "did you mean 'users'"),
        ("users: 10", "users: 0", 2, "greater than 0"),
        ("100ms", "100", 3, "max is below min"),
        ("100ms", "fast", 3, "is not a duration"),
        ("search.logs", "search.log", 5, "did you mean 'search.logs'"),
        ("search.logs: 2", "search.logs: 0", 5, "must be above 0"),
        ("users: 10", "users: 10\nrate: 5/s", 1, "write either think"),
        ("load: mine", "scenario: mine\nload: {requests: 5/s}", 1, "this is a data scenario"),
        ("load: mine", "load: Mine!", 1, "pattern"),
    ],
)
def test_an_error_names_line_and_remedy(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(FileError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert says in str(caught.value)
    assert caught.value.line == line


def test_a_rate_given_elsewhere_takes_the_place_of_think_times(tmp_path: Path) -> None:
    changed = load(tmp_path, GOOD, rate="50/s", users=5)
    assert (changed.rate, changed.think, changed.users) == (50, None, 5)
