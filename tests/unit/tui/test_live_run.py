"""The live run as a reducer: told by the events of a scripted run."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runners.lib.home import Home
from tests.tape import START, write_run
from tui.gateway import Happening
from tui.live_gateway import LiveGateway
from tui.screens.live import Throughput
from tui.state.live_run import LiveRun


def replay(tmp_path: Path, **options: object) -> LiveRun:
    run = write_run(Home(tmp_path), **options)
    live = LiveRun(run)
    for happening in LiveGateway(tmp_path, f"sqlite:///{tmp_path}/results.db").tail(run).poll():
        live.feed(happening)
    return live


def test_a_whole_run_reads_off(tmp_path: Path) -> None:
    live = replay(tmp_path)
    assert (live.campaign, live.state, live.verdict, live.so_far) == ("smoke", "finished", "passed", "passed")
    assert [stage.verdict for stage in live.stages.values()] == ["passed"] * 4
    [fault] = live.faults.values()
    assert (fault.name, fault.injected - START, fault.recover_s, fault.by) == ("kill ingest", 16, 1.71, "runner")
    assert live.counts["logs"]["sent"] == 42 * 500
    assert set(live.operations) == {"search.logs", "search.traces", "traces.get", "auth.login"}
    last = live.operations["search.logs"].last
    assert last is not None and last.total_count == 42 * 12
    assert live.audit is not None and live.audit["logs"]["lost"] == 0
    assert not live.active_faults
    assert any("gate audit.lost == 0 passed" in line.text for line in live.new_lines)


def test_waiting_is_not_green_and_a_failure_shows_at_once() -> None:
    live = LiveRun("r")
    live.feed(Happening("", "run.started", START, {"campaign": "smoke", "plan": ["a"], "gates": ["audit.lost == 0"]}))
    assert live.so_far == "waiting"
    live.feed(Happening("a", "test.finished", START + 1, {"id": "x", "outcome": "passed"}))
    assert live.so_far == "holding"
    live.feed(Happening("a", "finding", START + 2, {"title": "leak"}))
    assert live.so_far == "failing"


def test_the_countdown_ends_with_the_fault() -> None:
    live = LiveRun("r")
    live.feed(
        Happening(
            "c",
            "fault.injected",
            START,
            {"id": "f", "fault": "pause", "target": "redis", "injected_at": START, "ttl_s": 20},
        )
    )
    [fault] = live.active_faults
    assert fault.reverts_at == START + 20
    live.feed(Happening("c", "fault.reverted", START + 5, {"id": "f", "by": "watchdog", "reverted_at": START + 5}))
    assert not live.active_faults


_fields = st.dictionaries(
    st.sampled_from(
        [
            "id",
            "fault",
            "stage_name",
            "verdict",
            "plan",
            "stages",
            "gates",
            "outcome",
            "document",
            "message",
            "state",
            "kind",
        ]
    ),
    st.one_of(st.none(), st.text(max_size=5), st.lists(st.text(max_size=3), max_size=2)),
)
_kinds = st.sampled_from(
    [
        "stage.starting",
        "stage.finished",
        "test.finished",
        "fault.reverted",
        "gate",
        "log",
        "unknown",
        "finding",
        "recovery",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["", "a"]), _kinds, _fields), max_size=20))
def test_no_order_of_events_and_no_missing_field_breaks_it(items: list[tuple[str, str, dict[str, object]]]) -> None:
    live = LiveRun("r")
    for stage, kind, fields in items:
        live.feed(Happening(stage, kind, START, fields))
    assert live.revision == len(items)


def test_a_run_of_one_suite_lasts_as_long_as_was_asked() -> None:
    live = LiveRun("r")
    stage = {"name": "smoke", "suite": "data", "duration_s": 30.0}
    live.feed(Happening("", "run.started", START, {"campaign": "data generate smoke", "stages": [stage], "gates": []}))
    assert live.planned_s == 30
    other = LiveRun("s")
    other.feed(Happening("", "run.started", START, {"campaign": "smoke", "stages": [stage, stage | {"name": "b"}]}))
    assert other.planned_s is None


def test_the_second_in_which_a_run_ended_is_drawn_the_present_one_not_before_it_is_over() -> None:
    live = LiveRun("r")
    stage = {"name": "smoke", "suite": "data"}
    live.feed(Happening("", "run.started", START, {"campaign": "data generate smoke", "stages": [stage]}))
    points = [("data.acked{signal=logs}", START + second, 100.0 + second) for second in range(40)]
    live.feed(Happening("smoke", "metric.points", START + 39.2, {}, points=points))

    def drawn() -> str:
        return "\n".join("".join(piece[0] for piece in line) for line in Throughput._written(live, 100, 12))

    assert "138/s" in drawn()
    live.feed(Happening("", "run.finished", START + 39.4, {"state": "finished", "verdict": "passed"}))
    assert "139/s" in drawn()
