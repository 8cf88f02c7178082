"""The rules before every injection, one by one."""

import json
from pathlib import Path

import pytest

from runners.faults import audit, lever, safety, services
from runners.faults.kinds import Refused
from runners.faults.record import Access, FaultRecord, Guards, Identity, Operation
from runners.faults.safety import Limits, capability, check_open, check_ttl
from runners.faults.services import Service
from runners.lib.errors import NotReady
from runners.lib.home import Environment, Home


def record(**changes: object) -> FaultRecord:
    made = FaultRecord(
        id="f", run="run-a", environment="local", fault="kill", target="ingest", state="ACTIVE", ttl_s=20,
        planned_at=1, deadline=21, deadline_boot=21, inject=(), revert=(Operation("supervisor", "start"),),
        guards=Guards("boot", "env", Identity(1, 1), Identity(2, 2), ()), access=Access("unix:///s", "", "", "i", {}),
    )  # fmt: skip
    return made.with_(**changes)


@pytest.mark.parametrize("seconds", [0, -1, 600.1, float("inf"), float("nan")])
def test_a_time_to_live_has_bounds(seconds: float) -> None:
    with pytest.raises(Refused):
        check_ttl(seconds)


def test_labels_decide_what_is_possible() -> None:
    service = Service("ingest", "ingest", {}, True, ("kill",))
    assert capability("kill", service) is None
    assert "permits only kill" in str(capability("pause", service))
    assert "opted in" in str(capability("kill", Service("x", "x", {}, False, ())))
    assert "deny list" in str(capability("kill", service, deny=["ingest"]))
    assert "no fault" in str(capability("melt", service))


def test_open_faults_limit_new_ones() -> None:
    two = Limits()
    check_open([], "run-a", "ingest", two)
    check_open([record(target="redis")], "run-a", "ingest", two)
    for open_faults, message in (
        ([record()], "carries a fault already"),
        ([record(run="run-b", target="redis")], "still open"),
        ([record(state="FAILED", target="redis", reason="it burns")], "it burns"),
        ([record(target="redis"), record(target="backend")], "2 faults are open"),
    ):
        with pytest.raises(Refused, match=message):
            check_open(open_faults, "run-a", "ingest", two)
    with pytest.raises(Refused, match="1 targets"):
        check_open([record(target="redis")], "run-a", "ingest", Limits(max_targets=1))
    with pytest.raises(Refused, match="2 faults are open"):
        check_open([record(target="a"), record(target="b")], "run-a", "c", Limits(max_faults=99, max_targets=99))


def test_the_lever_stays_down_until_it_is_lifted(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env" / "local")
    assert lever.halted(environment) is None and not lever.release(environment)
    lever.pull(environment, "anna", "production is on fire")
    lever.pull(environment, "bert", "still")
    down = lever.halted(environment)
    assert down is not None and (down["by"], down["reason"]) == ("bert", "still")
    environment.halted.write_text("{")
    assert lever.halted(environment) is not None  # a torn file is a lever that is down
    assert lever.release(environment) and lever.halted(environment) is None


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "not provisioned"),
        ({"state": "absent"}, "not provisioned"),
        ({"state": "ready", "kind": "external", "supervisor": {"url": "http://x"}, "env_id": "e"}, "external"),
        ({"state": "ready", "kind": "local", "env_id": "e"}, "no supervisor"),
    ],
)
def test_an_environment_that_is_not_ours_is_refused(tmp_path: Path, state: dict | None, message: str) -> None:
    environment = Environment(tmp_path / "env" / "local")
    environment.root.mkdir(parents=True)
    if state is not None:
        environment.state.write_text(json.dumps(state))
    with pytest.raises(NotReady, match=message):
        services.load(environment)


def test_an_unknown_service_is_answered_with_the_nearest(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env" / "local")
    environment.root.mkdir(parents=True)
    environment.state.write_text(
        json.dumps(
            {
                "state": "ready",
                "kind": "local",
                "env_id": "e",
                "supervisor": {"url": "http://127.0.0.1:1"},
                "services": [{"name": "ingest", "program": "ingest", "port": 1}, {"name": "nobody", "port": 2}],
            }
        )
    )
    stack = services.load(environment)
    assert list(stack.services) == ["ingest"] and stack.services["ingest"].allowed is False
    with pytest.raises(NotReady, match="did you mean 'ingest'"):
        stack.service("ingets")


def test_the_audit_trail_is_appended_to(tmp_path: Path) -> None:
    home = Home(tmp_path)
    audit.append(home.env("local"), "inject", "planned", fault="kill", target="ingest")
    audit.append(home.env("local"), "revert", "REVERTED", fault="kill", target="ingest")
    home.chaos_audit.open("ab").write(b'{"torn')
    found = list(audit.entries(home.chaos_audit))
    assert [(item["action"], item["result"], item["environment"]) for item in found] == [
        ("inject", "planned", "local"),
        ("revert", "REVERTED", "local"),
    ]
    assert all(item["who"] and item["ts"] for item in found)


def test_no_trace_no_injection(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.chaos_audit.parent.mkdir()
    home.chaos_audit.mkdir()  # a folder in its place: nothing can be appended
    with pytest.raises(OSError, match="directory"):
        audit.append(home.env("local"), "inject", "planned")
    audit.append(home.env("local"), "revert", "REVERTED")  # undoing goes on


def test_limits_are_defaults_on() -> None:
    assert (Limits().max_faults, safety.DEFAULT_TTL_S, safety.MAX_TTL_S) == (2, 60.0, 600.0)


def test_a_damaged_record_blocks_new_injections(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.journal.mkdir(parents=True)
    safety.refuse_while_failed(environment)
    (environment.journal / "f1.json").write_text('{"id": "f1", "sta')
    with pytest.raises(NotReady, match="cannot be read"):
        safety.refuse_while_failed(environment)
