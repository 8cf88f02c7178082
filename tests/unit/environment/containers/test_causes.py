"""Why a stack did not come up: whoever was merely on its way is no cause."""

from dataclasses import replace
from typing import Any

from runners.environment.containers.bring_up import MAX_RESTARTS, causes, falls_again
from runners.environment.containers.engine import Box

STATE: dict[str, Any] = {"engine": {"project": "testbed-box-1a"}}
REFERENCES = {"prometheus": "docker.io/prom/prometheus:v2"}


def box(service: str, status: str = "running", health: str | None = "healthy", exit_code: int = 0) -> Box:
    return Box(service, service, status, health, "", exit_code, False, 1, "", "", "")


def found(boxes: list[Box], said: str, **known: str | None) -> dict[str, str | None]:
    return causes(STATE, boxes, known, REFERENCES, said)


def test_what_ended_is_the_cause_and_what_had_not_begun_is_left_open() -> None:
    boxes = [box("postgres", "exited", None, 1), box("redis", health="starting"), box("backend", "created", None)]
    said = "dependency failed to start: container testbed-box-1a-postgres-1 exited (1)"
    known = found(boxes, said, postgres="it ended with exit code 1", redis="not yet", backend="never started")
    assert known == {"postgres": "it ended with exit code 1"}


def test_who_is_well_is_said_to_be() -> None:
    boxes = [box("redis"), box("backend", health="unhealthy")]
    said = "container testbed-box-1a-backend-1 is unhealthy"
    known = found(boxes, said, redis=None, backend="its health check fails: 503")
    assert known == {"redis": None, "backend": "its health check fails: 503"}


def test_a_port_that_is_taken_is_the_cause_though_others_were_on_their_way() -> None:
    boxes = [box("postgres", health="starting"), box("prometheus", "created", None)]
    said = "driver failed on endpoint testbed-box-1a-prometheus-1: Bind for 127.0.0.1:9090 failed: port is already allocated"
    known = found(boxes, said, postgres="not yet", prometheus="never started")
    assert known == {"prometheus": said}


def test_an_image_that_cannot_be_pulled_names_its_service() -> None:
    said = "pull access denied for docker.io/prom/prometheus:v2"
    assert found([], said, postgres="it has no container", prometheus="it has no container") == {"prometheus": said}


def test_when_time_was_up_all_that_is_known_counts() -> None:
    boxes = [box("postgres"), box("backend", health="starting")]
    known = found(boxes, "timeout", postgres=None, backend="its health check has not passed yet")
    assert known == {"postgres": None, "backend": "its health check has not passed yet"}


def test_a_container_that_ends_again_and_again_is_not_waited_for() -> None:
    falling = replace(box("redis", "restarting", "starting", 1), restarts=MAX_RESTARTS)
    assert falls_again([falling], [])
    assert not falls_again([falling], [falling])  # so often, but long ago
    assert not falls_again([replace(falling, restarts=MAX_RESTARTS - 1)], [])
    assert not falls_again([replace(falling, health="healthy")], [])
