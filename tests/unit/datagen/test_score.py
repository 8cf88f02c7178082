"""Alerts against labels: what counts as detected, late, missed, explained and false."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.datagen.score import Fired, Score, score, to_json, verdict_of, wrongs

TENANTS = ["acme", "globex"]


def anomaly(
    name: str = "burst", *, begins: float = 100, ends: float = 200, by: float | None = 150, **more: Any
) -> dict[str, Any]:
    alert = None if by is None else {"name": "ServiceErrors", "by": by}
    given_ = {"name": name, "kind": "error-burst", "tenants": ["acme"], "service": "payment", "series": None}
    return given_ | {"from": begins, "to": ends, "magnitude": 0.4, "alert": alert} | more


def labels(*anomalies: dict[str, Any], quiet: tuple[tuple[float, float], ...] = ()) -> dict[str, Any]:
    windows = [{"from": begins, "to": ends} for begins, ends in quiet]
    return {
        "run": "r",
        "scenario": "s",
        "from": 0,
        "to": 300,
        "tenants": TENANTS,
        "anomalies": [*anomalies],
        "quiet": windows,
    }


def fired(at: float, name: str = "ServiceErrors", **more: str) -> Fired:
    return Fired({"alertname": name, "tenant": "acme", "service": "payment", **more}, at)


def results(found: Score) -> list[str]:
    return [one.result for one in found.detections]


@pytest.mark.parametrize(
    ("at", "result"),
    [(100, "detected"), (150, "detected"), (151, "late"), (200, "late"), (201, "missed"), (99, "missed")],
)
def test_an_alert_counts_between_the_start_and_the_deadline(at: float, result: str) -> None:
    assert results(score(labels(anomaly()), [fired(at)])) == [result]


def test_the_first_alert_is_the_detection_and_its_delay_is_told() -> None:
    found = score(labels(anomaly()), [fired(140), fired(120)])
    assert found.delays_s == [20] and len(found.explained) == 1 and not found.false
    assert to_json(found)["time_to_detect_s"] == {"n": 1, "median": 20, "max": 20}


def test_a_late_alert_is_no_detection_but_true_all_the_same() -> None:
    found = score(labels(anomaly()), [fired(160), fired(50)])
    assert (found.recall, found.precision) == (0, 0.5)


def test_name_tenant_and_service_must_fit() -> None:
    for other in (fired(120, "DiskNearlyFull"), fired(120, tenant="globex"), fired(120, service="cart")):
        assert results(score(labels(anomaly()), [other])) == ["missed"]
    nameless = Fired({"alertname": "ServiceErrors", "tenant": "acme"}, 120)  # of which service? Nobody was told
    assert results(score(labels(anomaly()), [nameless])) == ["missed"]


def test_callers_that_fail_too_are_explained_but_not_a_detection() -> None:
    found = score(labels(anomaly()), [fired(120), fired(121, service="checkout")])
    assert (found.recall, found.precision, len(found.explained)) == (1, 1, 1)


def test_another_alert_during_an_anomaly_is_false() -> None:
    found = score(labels(anomaly()), [fired(120), fired(121, "DiskNearlyFull")])
    assert (found.recall, found.precision) == (1, 0.5)
    assert found.false[0].reason == "nothing went wrong that it could be about"


def test_an_anomaly_that_expects_nothing_explains_alerts_of_its_target() -> None:
    of = labels(anomaly(by=None))
    assert not score(of, [fired(120, "Anything")]).false
    assert len(score(of, [fired(120, service="cart")]).false) == 1


def test_an_alert_in_a_quiet_window_is_false_and_says_so() -> None:
    found = score(labels(quiet=((0, 100),)), [fired(50)])
    assert (found.precision, found.recall, found.false[0].reason) == (0, None, "in a quiet window")


def test_alerts_of_others_or_of_another_time_are_not_looked_at() -> None:
    elsewhere = [fired(50, tenant="initech"), fired(-1), fired(301), Fired({"alertname": "PlatformSlow"}, -1)]
    found = score(labels(anomaly(by=None)), elsewhere)
    assert not found.false and not found.doubtful and found.precision is None


NAMELESS = Fired({"alertname": "PlatformSlow", "job": "ingest"}, 50)


@pytest.mark.parametrize(
    "nameless", [NAMELESS, fired(110, tenant=""), Fired({"alertname": "ServiceErrors", "service": "payment"}, 120)]
)
def test_an_alert_of_no_tenant_never_flatters_the_precision(nameless: Fired) -> None:
    """Whether it was right nobody can say: with it, the score is no longer passed, but not failed because of it either."""
    of = labels(anomaly())
    found = score(of, [fired(120), nameless])
    assert (found.recall, found.precision, found.best_precision) == (1, 0.5, 1)
    assert (found.doubtful, found.false, found.explained) == ((nameless,), (), ())
    verdict, why = verdict_of(found, of, recall=0.9, precision=0.9)
    assert verdict == "invalid" and nameless.name in why and "0.50" in why
    assert verdict_of(found, of, recall=0.9, precision=0.5) == ("passed", "")
    assert to_json(found)["doubtful_alerts"] == [{"labels": dict(nameless.labels), "at": nameless.starts}]
    assert results(score(of, [nameless])) == ["missed"]  # nobody was told


def test_an_alert_of_no_tenant_in_a_quiet_window_is_false() -> None:
    of = labels(anomaly(), quiet=((0, 90),))
    found = score(of, [fired(120), NAMELESS])
    assert (len(found.false), found.doubtful, found.precision) == (1, (), 0.5)
    assert verdict_of(found, of, recall=0.9, precision=0.9)[0] == "failed"


def test_what_fails_without_the_doubtful_ones_has_failed() -> None:
    of = labels(anomaly())
    for alerts, complaint in (([fired(160)], "recall"), ([fired(120), fired(50)], "precision 0.50 is below 0.9")):
        verdict, why = verdict_of(score(of, [*alerts, NAMELESS]), of, recall=0.9, precision=0.9)
        assert verdict == "failed" and complaint in why


def test_each_tenant_that_is_struck_is_expected_to_hear_of_it() -> None:
    of = labels(anomaly(tenants=TENANTS, service=None))
    assert len(wrongs(of)) == 2
    assert results(score(of, [fired(110, tenant="globex")])) == ["missed", "detected"]


def test_what_a_forgetful_source_may_have_lost_is_not_called_missed() -> None:
    of = labels(anomaly())
    assert results(score(of, [], forgotten_before=250)) == ["unseen"]
    assert results(score(of, [], forgotten_before=150)) == ["missed"]
    assert verdict_of(score(of, [], forgotten_before=250), of, recall=0.9, precision=0.9)[0] == "invalid"


def test_verdicts() -> None:
    of = labels(anomaly())
    judge = lambda labels_, alerts: verdict_of(score(labels_, alerts), labels_, recall=0.9, precision=0.9)  # noqa: E731
    assert judge(of, [fired(120)]) == ("passed", "")
    verdict, why = judge(of, [fired(160), fired(50)])
    assert verdict == "failed" and "recall 0.00 is below 0.9: 1 of 1" in why and "1 false alerts" in why
    assert judge(labels(quiet=((0, 300),)), [fired(20)])[0] == "failed"
    assert judge(labels(), [])[0] == "invalid"


def test_silence_alone_is_no_proof_that_somebody_listened() -> None:
    silent = labels(quiet=((0, 300),))
    verdict, why = verdict_of(score(silent, []), silent, recall=0.9, precision=0.9)
    assert verdict == "invalid" and "label one that must fire" in why
    proven = labels(anomaly(), quiet=((0, 90),))
    assert verdict_of(score(proven, [fired(120)]), proven, recall=0.9, precision=0.9)[0] == "passed"


def test_a_source_that_forgets_is_no_witness_of_what_was_before_it_was_asked() -> None:
    of = labels(anomaly())
    for asked, verdict in ((5, "passed"), (60, "invalid")):
        found = score(of, [fired(120)], forgotten_before=asked)
        assert verdict_of(found, of, recall=0.9, precision=0.9)[0] == verdict
    found = score(of, [fired(120), fired(20), fired(30)], forgotten_before=60)
    assert verdict_of(found, of, recall=0.9, precision=0.9)[0] == "failed"  # what it saw, it saw


ANOMALIES = st.lists(
    st.builds(
        lambda number, begins, lasts, within, tenants, service: anomaly(
            f"a{number}", begins=begins, ends=begins + lasts, by=begins + within, tenants=tenants, service=service
        ),
        st.integers(0, 9), st.integers(0, 250), st.integers(1, 60), st.integers(1, 60),
        st.sampled_from([["acme"], ["globex"], TENANTS]), st.sampled_from([None, "payment", "cart"]),
    ),
    min_size=1, max_size=5,
)  # fmt: skip
ALERTS = st.lists(
    st.builds(
        lambda at, name, tenant, service: fired(at, name, tenant=tenant, service=service),
        st.integers(0, 330), st.sampled_from(["ServiceErrors", "DiskNearlyFull"]),
        st.sampled_from([*TENANTS, "initech", ""]),
        st.sampled_from(["payment", "cart"]),
    ),
    max_size=12,
)  # fmt: skip


@given(ANOMALIES, ALERTS)
def test_every_alert_and_every_expectation_is_counted_once(
    anomalies: list[dict[str, Any]], alerts: list[Fired]
) -> None:
    of = labels(*anomalies)
    found = score(of, alerts)
    assert len(found.detections) == len(wrongs(of))
    used = (
        [one.fired for one in found.detections if one.fired]
        + [one.fired for one in found.false]
        + [*found.explained, *found.doubtful]
    )
    assert len({one.key for one in used}) == len(used) <= len({one.key for one in alerts})
    for share in (found.recall, found.precision):
        assert share is None or 0 <= share <= 1


@given(ANOMALIES, ALERTS, st.randoms())
def test_the_order_of_alerts_and_seeing_one_twice_make_no_difference(
    anomalies: list[dict[str, Any]], alerts: list[Fired], random: Any
) -> None:
    shuffled = [*alerts, *alerts[:3]]
    random.shuffle(shuffled)
    assert to_json(score(labels(*anomalies), alerts)) == to_json(score(labels(*anomalies), shuffled))


@given(ANOMALIES)
def test_alerts_as_expected_score_one(anomalies: list[dict[str, Any]]) -> None:
    of = labels(*anomalies)
    alerts = [
        Fired({"alertname": "ServiceErrors", "tenant": one.tenant, "service": one.service or "x", "n": str(n)}, one.by)
        for n, one in enumerate(wrongs(of))
    ]
    found = score(of, alerts)
    assert found.precision == 1 and not found.false
    if all(one.service for one in wrongs(of)):
        assert found.recall == 1


@given(ANOMALIES, ALERTS)
def test_one_more_alert_out_of_the_blue_never_raises_precision(
    anomalies: list[dict[str, Any]], alerts: list[Fired]
) -> None:
    of = labels(*anomalies)
    before, after = score(of, alerts), score(of, [*alerts, fired(5, "OutOfTheBlue")])
    assert after.recall == before.recall and len(after.false) == len(before.false) + 1
    assert (after.precision or 0) <= (before.precision if before.precision is not None else 1)


@given(ANOMALIES, ALERTS)
def test_silence_detects_nothing(anomalies: list[dict[str, Any]], alerts: list[Fired]) -> None:
    found = score(labels(*anomalies), [])
    assert found.recall == 0 and found.precision is None
    assert (score(labels(*anomalies), alerts).recall or 0) >= 0
