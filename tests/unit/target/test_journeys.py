"""The order in which operations are probed: each once, and each after what it needs."""

from collections import Counter

from runners.target import journeys
from runners.target.canonical import CANONICAL
from runners.target.verify import Probe, Verification


def test_every_canonical_operation_is_probed_exactly_once() -> None:
    assert Counter(step.name for step in journeys.STEPS) == Counter(list(CANONICAL))


def test_what_a_step_needs_was_learned_before() -> None:
    known = set(journeys.marks("acme"))
    for step in journeys.STEPS:
        assert step.needs is None or step.needs in known, step.name
        known |= set() if step.learns is None else {step.learns}


def test_what_is_made_is_removed_afterwards() -> None:
    order = [step.name for step in journeys.STEPS]
    for made, removed in (
        ("admin.create_user", "admin.delete_user"), ("admin.create_tenant", "admin.delete_tenant"),
        ("test_data.seed", "test_data.delete"), ("alerts.silence", "alerts.unsilence"), ("alerts.webhook", "alerts.resolve"),
    ):  # fmt: skip
        assert order.index(made) < order.index(removed)


def test_two_verifications_at_once_do_not_meet() -> None:
    assert journeys.marks("acme")["new_user"] != journeys.marks("acme")["new_user"]


def test_the_matrix_counts_by_area() -> None:
    probes = (Probe("search.logs", "ok"), Probe("search.stream", "failed"), Probe("live.stream", "not_applicable"))
    assert Verification(probes, ()).to_json()["areas"] == {
        "search": {"ok": 1, "failed": 1, "not_applicable": 0}, "live": {"ok": 0, "failed": 0, "not_applicable": 1},
    }  # fmt: skip
