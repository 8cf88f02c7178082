"""Outcomes and verdict: passed needs evidence, failed needs a reason, everything else is not assessed."""

from collections.abc import Callable

import pytest

from runners.load.scoreboard import Scoreboard
from runners.load.verdicts import Outcome, outcomes, plan, verdict

OPERATIONS = ["search.logs", "traces.get"]
MARKS = frozenset({"app.tenant"})


def good() -> Scoreboard:
    board = Scoreboard()
    for name in OPERATIONS:
        board.record(name, "acme", 0.01, error=False)
        board.leak(name).assess("acme", [{"app.tenant": "acme"}], MARKS)
    return board


def judge(board: Scoreboard, cpu: float | None = 0.2, tenants: str = "acme", **absent: str) -> dict[str, Outcome]:
    gone = {k.replace("_", "."): v for k, v in absent.items()}
    found = outcomes("browse", OPERATIONS, board, cpu=cpu, absent=gone, tenants=tenants.split())
    assert [item.id for item in found] == plan("browse", OPERATIONS)
    return {item.id: item for item in found}


def test_success_and_marked_items_pass() -> None:
    found = judge(good())
    assert {item.outcome for item in found.values()} == {"passed"}
    assert found["browse.search.logs"].message == "1 requests, 0 errors, p95 10 ms"
    assert verdict(list(found.values())) == "passed"


def _error(board: Scoreboard) -> None:
    board.record("search.logs", "acme", 0.01, error=True)


def _never(board: Scoreboard) -> None:
    board.tallies["search.logs"].successes = 0
    board.failures.record("search.logs", "HTTP 500", None, tenant="acme")


def _content(board: Scoreboard) -> None:
    board.failures.record("search.logs", "content: filter not honoured", None, tenant="acme", content=True)


def _silent(board: Scoreboard) -> None:
    del board.tallies["search.logs"]


def _leak(board: Scoreboard) -> None:
    board.leak("traces.get").assess("acme", [{"app.tenant": "globex"}], MARKS)


def _unmarked(board: Scoreboard) -> None:
    board.leak("traces.get").marked = 0


def _fault(board: Scoreboard) -> None:
    board.faults.append("KeyError: 'x'")


@pytest.mark.parametrize(
    ("change", "id_", "outcome", "says", "overall"),
    [
        (_error, "browse.search.logs", "passed", "1 errors", "passed"),
        (_never, "browse.search.logs", "failed", "none of 1 requests succeeded: 1× HTTP 500", "failed"),
        (_content, "browse.search.logs", "failed", "wrong answers: 1× filter not honoured", "failed"),
        (_silent, "browse.search.logs", "invalid", "no request was made", "invalid"),
        (_leak, "leak.traces.get", "failed", "1 of globex to acme", "failed"),
        (_unmarked, "leak.traces.get", "invalid", "not assessed", "invalid"),
        (_fault, "browse.search.logs", "invalid", "the generator failed 1 times: KeyError", "invalid"),
    ],
)
def test_what_happened_decides(
    change: Callable[[Scoreboard], None], id_: str, outcome: str, says: str, overall: str
) -> None:
    board = good()
    change(board)
    found = judge(board)
    assert found[id_].outcome == outcome
    assert says in found[id_].message
    assert verdict(list(found.values())) == overall


def test_what_one_tenant_was_shown_says_nothing_about_another() -> None:
    board = good()
    assert {item.outcome for item in judge(board, tenants="acme globex").values()} == {"invalid"}
    for name in OPERATIONS:
        board.record(name, "globex", 0.01, error=True)
        board.leak(name).assess("globex", [{}], MARKS)
    found = judge(board, tenants="acme globex")
    assert found["browse.traces.get"].outcome == "failed"
    assert "none of 1 requests of tenant globex succeeded" in found["browse.traces.get"].message
    assert found["leak.traces.get"].outcome == "invalid"
    assert "globex" in found["leak.traces.get"].message
    for name in OPERATIONS:
        board.record(name, "globex", 0.01, error=False)
        board.leak(name).assess("globex", [{"app.tenant": "globex"}], MARKS)
    assert {item.outcome for item in judge(board, tenants="acme globex").values()} == {"passed"}


def test_an_overloaded_generator_proves_nothing() -> None:
    found = judge(good(), cpu=0.95)
    assert found["browse.search.logs"].outcome == "invalid"
    assert "95% of a core" in found["browse.search.logs"].message


def test_an_absent_capability_is_skipped_and_alone_is_not_passed() -> None:
    board = good()
    assert verdict(list(judge(board, traces_get="no capability").values())) == "passed"
    none = judge(board, traces_get="no capability", search_logs="no capability")
    assert verdict(list(none.values())) == "invalid"


def test_a_second_is_taken_once_and_adds_up_to_the_whole() -> None:
    board = Scoreboard()
    for number in range(10):
        board.record("search.logs", "acme" if number % 2 else "globex", 0.01, error=number == 3)
    first = board.take_second()
    board.record("search.logs", "acme", 0.5, error=False)
    second = board.take_second()
    assert {key: value.count for key, value in first.items()} == {
        ("search.logs", "acme"): 5,
        ("search.logs", "globex"): 5,
    }
    assert sum(item.count for part in (first, second) for item in part.values()) == board.requests == 11
    assert sum(item.errors for item in first.values()) == board.tallies["search.logs"].errors == 1
    assert board.take_second() == {}
