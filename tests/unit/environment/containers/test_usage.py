"""What the engine measures of a container, and what happened to it."""

from typing import Any

import pytest

from runners.environment.containers.usage import Sample, cores, event_of, reduced


def stats(**memory: Any) -> dict[str, Any]:
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": 3_000_000_000}},
        "memory_stats": {"usage": 900, "limit": 2000, "stats": memory},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    }


@pytest.mark.parametrize("name", ["total_inactive_file", "inactive_file"])
def test_memory_is_without_the_cache_under_both_generations_of_cgroups(name: str) -> None:
    found = reduced(stats(**{name: 200}), 1.0)
    assert found == Sample(3.0, 700, 2000, 11, 22, 1.0)


def test_a_container_that_ended_has_no_figures() -> None:
    assert reduced({"cpu_stats": {}, "memory_stats": {}}, 1.0) is None


def test_cores_are_the_difference_of_two_samples() -> None:
    assert cores(Sample(3.0, 0, 0, 0, 0, 10.0), Sample(4.0, 0, 0, 0, 0, 12.0)) == pytest.approx(0.5)


def test_an_event_names_the_service_the_moment_and_the_exit_code() -> None:
    labels = {"com.docker.compose.service": "redis", "exitCode": "137"}
    found = event_of({"Action": "die", "timeNano": 2_500_000_000, "Actor": {"Attributes": labels}})
    assert found is not None
    assert (found.at, found.service, found.what, found.exit_code) == (2.5, "redis", "die", 137)


def test_a_change_of_health_is_told_and_the_check_itself_is_not() -> None:
    told = event_of({"Action": "health_status: unhealthy", "timeNano": 0, "Actor": {"Attributes": {}}})
    assert told is not None and told.what == "unhealthy"
    assert event_of({"Action": "exec_create: http-ok", "timeNano": 0}) is None
