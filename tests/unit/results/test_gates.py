"""Gates over the events of a campaign: what is computed, what is not assessed, and the sentence that says so."""

import pytest

from runners.lib.expr import ExprError
from runners.lib.histogram import Histogram
from runners.lib.home import Home
from runners.results.gates import check, evaluate, gates_of, measures_of
from runners.results.measures import Measures
from tests.runfiles import campaign


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    made = campaign(home, seconds=30, lost=3)
    return measures_of(home, made.run)


def histogram(*values, errors=0):
    made = Histogram()
    for number, value in enumerate(values):
        made.record(value, error=number < errors)
    return made.to_json()


def operations(*points, name="search.logs", start=100.0, end=110.0, tenant="acme"):
    """Events of a load stage: points are (time, histogram)."""
    series = f"{name}{{tenant={tenant}}}"
    return [
        {"type": "phase", "name": "steady", "ts": start},
        {"type": "metric.declare", "name": name, "unit": "s", "kind": "histogram", "labels": {"tenant": tenant}, "ts": start},
        *({"type": "metric.points", "many": [{"series": series, "t": [t], "v": [v]}], "ts": t} for t, v in points),
        {"type": "run.finished", "ts": end},
    ]  # fmt: skip


def crash(injected=103.0, recovered=105.0, fault="f1", **fields):
    events = [
        {
            "type": "fault.injected",
            "id": fault,
            "fault": "kill",
            "target": "ingest",
            "injected_at": injected,
            "ts": injected,
        }
    ]
    if recovered is not None:
        events.append(
            {"type": "fault.reverted", "id": fault, "by": "supervisor", "reverted_at": recovered - 0.5, "ts": recovered}
        )
        events.append(
            {
                "type": "recovery",
                "id": fault,
                "time_to_detect_s": 0.2,
                "time_to_recover_s": recovered - injected,
                "recovered_at": recovered,
                "ts": recovered,
            }
            | fields
        )
    return events


def audit(**signals):
    return [{"type": "ledger", "kind": "audit", "ts": 1.0, "document": {"verdict": "passed", "signals": signals}}]


def test_the_gates_of_a_campaign_are_found_and_evaluated(tmp_path):
    home = Home(tmp_path)
    made = campaign(home, lost=0)
    measures = measures_of(home, made.run)
    assert [evaluate(expr, measures).verdict for expr in gates_of(home, made.run)] == ["passed"] * 3


@pytest.mark.parametrize(
    ("expr", "verdict", "says"),
    [
        ("audit.lost == 0", "failed", "audit.lost is 3, wanted == 0"),
        ("recovery(crash) < 15s", "passed", "recovery(crash) is 2.1 s, wanted < 15s"),
        ("recovery(crash) < 2s and audit.lost == 3", "failed", "recovery(crash) is 2.1 s"),
        ("p95(users.search, phase=fault) < 200ms", "failed", " s, wanted < 200ms"),
        ("error_rate(users, phase=before) == 0", "passed", "is 0 %"),
        ("p95(users) < 3", "invalid", "write 3s"),
        ("p95(users.nothing) < 3s", "invalid", "measured nothing of that name"),
        ("p95(user.search) < 3s", "invalid", "did you mean 'users'?"),
        ("audit.loss == 0", "invalid", "did you mean 'lost'?"),
        ("p95(users.search, tenant=acne) < 1s", "invalid", "did you mean 'acme'?"),
        ("recovery(users) < 3s", "invalid", "injected no fault"),
        ("p95(users) < 2 * baseline(p95(users))", "invalid", "there is no baseline"),
        ("max(telemetry.data) < 3", "invalid", "name one: data.acked, data.sent"),
        ("rate(crash.probe.write) > 1/s", "invalid", "write mean(crash.probe.write)"),
        ("nonsense", "invalid", "comparison is expected"),
        ("not audit.lost == 3", "failed", "audit.lost is 3"),
        ("min(crash.probe.write, phase=before) == 1", "passed", "is 1"),
        ("p95(users.search) < 10s or audit.lost == 0", "passed", "p95(users.search) is 0."),
        ("p95(users.search) < 10s or p95(users) < 2 * baseline(p95(users))", "invalid", "there is no baseline"),
        ("p95(users.search) > 10s and p95(users) < 2 * baseline(p95(users))", "failed", "wanted > 10s"),
    ],
)  # fmt: skip
def test_verdict_and_sentence(measured, expr, verdict, says):
    gate = evaluate(expr, measured)
    assert (gate.verdict, says in gate.reason) == (verdict, True), gate


def test_a_dotted_part_names_several_operations_and_a_stage_all_of_them():
    events = [
        *operations((101.0, histogram(1.0)), name="search.logs"), *operations((101.0, histogram(3.0)), name="search.traces"),
        *operations((101.0, histogram(9.0)), name="traces.get"),
    ]  # fmt: skip
    measures = Measures({"users": events})
    assert evaluate("max(users.search) < 4s", measures).value == 3.0
    assert evaluate("max(users.search.logs) < 4s", measures).value == 1.0
    assert evaluate("max(users.traces) < 4s", measures).value == 9.0
    assert evaluate("count(users) == 3", measures).verdict == "passed"
    assert evaluate("max(users.sear) < 4s", measures).verdict == "invalid"


def test_phases_are_cut_at_injection_and_recovery():
    points = [(101.0 + second, histogram(second + 1.0)) for second in range(8)]  # at 101 … 108, latency 1 … 8
    measures = Measures({"users": operations(*points), "crash": crash(103.0, 105.0)})
    assert evaluate("max(users, phase=before) < 9s", measures).value == 2.0
    assert evaluate("min(users, phase=fault) < 9s", measures).value == 3.0
    assert evaluate("max(users, phase=fault) < 9s", measures).value == 4.0
    assert evaluate("min(users, phase=after) < 9s", measures).value == 5.0
    assert evaluate("count(users, phase=before) == 2", measures).verdict == "passed"
    assert evaluate("rate(users, phase=before) > 0/s", measures).value == pytest.approx(2 / 3, rel=1e-4)


def test_a_fault_that_never_ended_lasts_to_the_end_and_has_no_recovery():
    points = [(101.0 + second, histogram(1.0)) for second in range(8)]
    measures = Measures({"users": operations(*points), "crash": crash(103.0, None)})
    assert evaluate("count(users, phase=fault) == 6", measures).verdict == "passed"
    assert evaluate("p95(users, phase=after) < 5s", measures).verdict == "invalid"
    gate = evaluate("recovery(crash) < 15s", measures)
    assert gate.verdict == "invalid" and "never seen to recover" in gate.reason


def test_recovery_is_the_longest_and_one_unrecovered_fault_makes_it_unknown():
    both = [*crash(103.0, 105.0, "f1"), *crash(106.0, 109.0, "f2")]
    assert evaluate("recovery(c) < 5s", Measures({"c": both})).value == 3.0
    assert evaluate("recovery(c) < 5s", Measures({"c": [*both, *crash(109.5, None, "f3")]})).verdict == "invalid"
    failed = [{"type": "fault.failed", "id": "f9", "fault": "kill", "target": "ingest", "reason": "denied", "ts": 1.0}]
    gate = evaluate("recovery(c) < 5s", Measures({"c": [*both, *failed]}))
    assert gate.verdict == "invalid" and "denied" in gate.reason


def test_an_audit_sums_the_signals_that_can_be_observed():
    some = Measures({"audit": audit(logs={"lost": 2}, traces={"lost": None}, metrics={"lost": 1})})
    assert evaluate("audit.lost == 0", some).value == 3
    none = Measures({"audit": audit(logs={"lost": None}, traces={"lost": None})})
    gate = evaluate("audit.lost == 0", none)
    assert gate.verdict == "invalid" and "cannot be observed for any signal" in gate.reason


def test_an_audit_is_found_under_its_stages_name_and_a_missing_one_is_not_assessed():
    assert evaluate("check.lost == 1", Measures({"check": audit(logs={"lost": 1})})).verdict == "passed"
    assert evaluate("audit.lost == 1", Measures({"check": audit(logs={"lost": 1})})).verdict == "passed"
    gate = evaluate("audit.lost == 0", Measures({"users": operations()}))
    assert gate.verdict == "invalid" and "no audit" in gate.reason


def test_a_stage_that_was_planned_but_never_started_is_not_assessed():
    start = [{"type": "run.started", "ts": 1.0, "stages": [{"name": "users"}, {"name": "audit"}]}]
    measures = Measures({}, start)
    assert "did not run" in evaluate("p95(users) < 1s", measures).reason
    assert evaluate("audit.lost == 0", measures).verdict == "invalid"


def test_a_window_is_the_worst_one_for_the_comparison():
    points = [(101.0 + second, histogram(*[0.1] * 10, errors=5 if second == 4 else 0)) for second in range(8)]
    measures = Measures({"users": operations(*points)})
    assert evaluate("error_rate(users) < 10%", measures).verdict == "passed"
    assert evaluate("error_rate(users, window=2s) < 10%", measures).value == 0.25
    slow = Measures({"users": operations(*[(101.0 + s, histogram(*[0.1] * (1 if s == 4 else 10))) for s in range(8)])})
    assert evaluate("rate(users) > 7/s", slow).verdict == "passed"
    assert evaluate("rate(users, window=2s) > 7/s", slow).verdict == "failed"
    assert evaluate("error_rate(users, window=10m) < 1%", measures).verdict == "invalid"


def test_counters_add_up():
    declare = {
        "type": "metric.declare",
        "name": "data.sent",
        "unit": "1",
        "kind": "counter",
        "labels": {"signal": "logs"},
        "ts": 0.0,
    }
    points = {"type": "metric.points", "series": "data.sent{signal=logs}", "t": [1.0, 2.0], "v": [10, 30], "ts": 2.0}
    measures = Measures({"t": [declare, points]})
    assert evaluate("count(t.data.sent) == 40", measures).verdict == "passed"
    assert evaluate("rate(t.data.sent) > 1/s", measures).value == 20
    assert evaluate("max(t.data.sent) == 30", measures).verdict == "passed"
    assert evaluate("error_rate(t.data.sent) < 1%", measures).verdict == "invalid"


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("p95(users.search) < 3", "write 3s"), ("p95(usrs) < 3s", "did you mean 'users'"),
        ("audit.loss == 0", "did you mean 'lost'"), ("recovery(users) < 3s", "valid: crash"),
        ("error_rate(users) < 1", "write 1%"), ("lost == 0", "unknown value 'lost'"),
    ],
)  # fmt: skip
def test_a_gate_is_checked_against_the_plan_before_anything_runs(expr, says):
    stages = {"telemetry": "data", "users": "load", "crash": "chaos", "audit": "data"}
    with pytest.raises(ExprError) as caught:
        check(expr, stages)
    assert says in str(caught.value)
    check("p95(users.search) < 3s and max(users.load.cpu) < 80% and recovery(crash) < 1m and audit.lost == 0", stages)


@pytest.mark.parametrize(
    "expr",
    ["count(users.search, phase=fault) == 0", "rate(users.search, phase=after) < 1/s", "p95(users, phase=fault) < 5s"],
)
def test_a_phase_that_never_was_is_not_a_count_of_zero(expr):
    gate = evaluate(expr, Measures({"users": operations((101, histogram(0.1)))}))
    assert gate.verdict == "invalid" and "phase" in gate.reason


@pytest.mark.parametrize("function", ["sum", "rate", "count"])
def test_a_counter_that_was_declared_and_never_told_is_not_zero(function):
    declared = {"type": "metric.declare", "name": "load.errors", "unit": "1", "kind": "counter", "labels": {}, "ts": 1}
    silent = Measures({"users": [declared, {"type": "run.finished", "ts": 9}]})
    told = Measures(
        {"users": [declared, {"type": "metric.points", "series": "load.errors", "t": [2], "v": [0], "ts": 2}]}
    )
    zero = "0/s" if function == "rate" else "0"
    assert evaluate(f"{function}(users.load.errors) <= {zero}", silent).verdict == "invalid"
    assert function == "rate" or evaluate(f"{function}(users.load.errors) <= {zero}", told).verdict == "passed"


def test_an_audit_that_was_not_assessed_gives_no_number_of_losses():
    document = {
        "verdict": "invalid",
        "reason": "nothing was acknowledged",
        "signals": {"logs": {"acked": 0, "lost": 0}},
    }
    measures = Measures({"audit": [{"type": "ledger", "kind": "audit", "document": document, "ts": 1}]})
    gate = evaluate("audit.lost == 0", measures)
    assert gate.verdict == "invalid" and "nothing was acknowledged" in gate.reason
    assert evaluate("audit.acked == 0", measures).verdict == "passed"
