from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.datagen.anomaly import NEUTRAL, WHOLE, Anomaly, Effects, Kind

SECOND = 1_000_000_000


def anomaly(kind: Kind, magnitude: int, **where: str) -> Anomaly:
    """From second 10 to second 30."""
    return Anomaly("a", kind, 10 * SECOND, 20 * SECOND, magnitude, **where)


def effects(*anomalies: Anomaly, tenant: str = "acme") -> Effects:
    return Effects(anomalies, tenant, SECOND)


ANOMALIES = st.builds(
    Anomaly,
    name=st.just("a"),
    kind=st.sampled_from(Kind),
    start_ns=st.integers(0, 60).map(lambda n: n * SECOND),
    lasts_ns=st.integers(1, 60).map(lambda n: n * SECOND),
    magnitude=st.integers(0, 5000),
    tenant=st.sampled_from(["", "acme", "globex"]),
    service=st.sampled_from(["", "payment"]),
    series=st.sampled_from(["", "disk"]),
)


@given(st.lists(ANOMALIES, max_size=4), st.integers(0, 200))
def test_outside_of_its_time_and_tenant_nothing_changes(anomalies: list[Anomaly], tick: int) -> None:
    given_ = effects(*anomalies)
    concerned = [one for one in anomalies if one.tenant in ("", "acme") and one.active(tick * SECOND)]
    if not concerned:
        assert given_.rate(tick) == given_.latency("payment", tick) == NEUTRAL
        assert given_.errors("payment", tick) == given_.novelty("payment", tick) == 0
        assert not given_.silent("payment", tick)
        assert given_.series("payment", "disk", tick, 12345, 20000) == 12345


@given(st.lists(ANOMALIES, max_size=4), st.integers(0, 200))
def test_factors_stay_between_one_and_the_magnitude(anomalies: list[Anomaly], tick: int) -> None:
    for one in anomalies:
        low, high = sorted((NEUTRAL, one.magnitude))
        assert low <= one.factor(tick * SECOND) <= high
    assert 0 <= effects(*anomalies).errors("payment", tick) <= 5 * WHOLE


def test_a_level_shift_is_a_step() -> None:
    given_ = effects(anomaly(Kind.LEVEL_SHIFT, 2500))
    assert [given_.rate(tick) for tick in (9, 10, 29, 30)] == [1000, 2500, 2500, 1000]


def test_a_spike_peaks_in_its_middle_and_a_dip_is_below_one() -> None:
    assert [effects(anomaly(Kind.SPIKE, 5000)).rate(tick) for tick in (10, 15, 20, 25)] == [1000, 3000, 5000, 3000]
    assert effects(anomaly(Kind.DIP, 100)).rate(15) == 100


def test_a_drift_grows_steadily() -> None:
    given_ = effects(anomaly(Kind.DRIFT, 3000))
    assert [given_.rate(tick) for tick in (10, 15, 20, 29)] == [1000, 1500, 2000, 2900]


def test_a_saturated_series_fills_up_and_stays_full() -> None:
    given_ = effects(anomaly(Kind.SATURATION, 970, series="disk", service="payment"))
    assert [given_.series("payment", "disk", tick, 600, 1000) for tick in (9, 12, 14, 29, 30)] == [
        600,
        785,
        970,
        970,
        600,
    ]
    assert given_.series("cart", "disk", 20, 600, 1000) == 600 and given_.series("payment", "cpu", 20, 600, 1000) == 600
    assert given_.touches("payment", "disk") and not given_.touches("payment", "cpu")


def test_a_service_can_fail_be_slow_be_silent_and_say_something_new() -> None:
    assert effects(anomaly(Kind.ERROR_BURST, 250, service="payment")).errors("payment", 10) == WHOLE // 4
    assert effects(anomaly(Kind.ERROR_BURST, 250, service="payment")).errors("cart", 10) == 0
    assert effects(anomaly(Kind.LATENCY, 4000, service="payment")).latency("payment", 10) == 4000
    assert effects(anomaly(Kind.LOG_NOVELTY, 1000, service="payment")).novelty("payment", 10) == WHOLE
    silent = effects(anomaly(Kind.SILENT, 0, service="payment"))
    assert silent.silent("payment", 10) and not silent.silent("payment", 30) and not silent.silent("cart", 10)


@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_only_the_tenant_it_is_for_is_struck(tenant: str) -> None:
    given_ = effects(anomaly(Kind.DIP, 0, tenant="acme"), tenant=tenant)
    assert given_.none == (tenant == "globex")
    assert given_.rate(15) == (0 if tenant == "acme" else 1000)
