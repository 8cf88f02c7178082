"""What the engine says of a container, and what that makes of a service."""

from typing import Any

import pytest

from runners.environment.containers.engine import Box, box_of
from runners.environment.containers.health import trouble, unit, why


def box(status: str = "running", health: str | None = "healthy", **more: Any) -> Box:
    fields = {
        "id": "4f1c", "service": "redis", "said": "", "exit_code": 0, "out_of_memory": False, "pid": 7, "image": "sha256:1",
        "config_hash": "h", "started_at": "2026-01-01T00:00:00Z",
    } | more  # fmt: skip
    return Box(status=status, health=health, **fields)


@pytest.mark.parametrize("health", ["healthy", None])
def test_a_running_container_is_well_when_its_check_passes_or_it_has_none(health: str | None) -> None:
    assert trouble(box(health=health)) is None


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, "no container"),
        (box("created"), "never started"),
        (box("exited", None, exit_code=137), "ended with exit code 137"),
        (box("exited", None, exit_code=137, out_of_memory=True), "ran out of memory"),
        (box("restarting", None, exit_code=2), "again and again, with exit code 2"),
        (box("paused"), "paused"),
        (box(health="starting"), "has not passed yet"),
        (box(health="unhealthy", said="connection refused"), "health check fails: connection refused"),
    ],
)
def test_whatever_is_wrong_is_one_sentence(found: Box | None, says: str) -> None:
    reason = trouble(found)
    assert reason is not None and says in reason


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (box("exited", None), None),
        (box("exited", None, exit_code=3), "exit code 3"),
        (box("running", None), "not ended yet"),
        (box("created", None), "never started"),
    ],
)
def test_a_job_is_well_when_it_ended_with_zero(found: Box, says: str | None) -> None:
    reason = trouble(found, job=True)
    assert reason is None if says is None else reason is not None and says in reason


HTTP = {"name": "backend", "health": {"kind": "http", "url": "http://127.0.0.1:1/"}}


def test_the_published_port_counts_more_than_the_last_check_of_the_engine() -> None:
    assert why(HTTP, box(health="starting"), lambda _health: None) is None
    assert why(HTTP, box(), lambda _health: "no answer within 2 s") == "no answer within 2 s"


def test_both_are_told_when_both_say_no_and_nobody_answers() -> None:
    sick = box(health="unhealthy", said="refused")
    found = why(HTTP, sick, lambda _health: "nothing listens on its port")
    assert found == "nothing listens on its port; its health check fails: refused"
    assert why(HTTP, sick, lambda _health: "answers 503: redis not ready") == "answers 503: redis not ready"


def test_what_does_not_run_is_not_asked() -> None:
    def asked(_health: Any) -> str | None:
        raise AssertionError("a paused container would only cost a time limit")

    assert why(HTTP, box("paused"), asked) == "it is paused"
    assert why({"name": "redis", "health": {"kind": "container"}}, box(), asked) is None


@pytest.mark.parametrize(
    ("found", "state", "paused"),
    [
        (box(), "running", False),
        (box(health="starting"), "starting", False),
        (box("paused"), "running", True),
        (box("exited", None), "stopped", False),
        (box("exited", None, exit_code=143), "stopped", False),
        (box("exited", None, exit_code=137), "failed", False),
        (box("restarting", None, exit_code=1), "failed", False),
        (box("created", None), "stopped", False),
    ],
)
def test_a_container_carries_a_service_as_a_process_does(found: Box, state: str, paused: bool) -> None:
    made = unit(found, 1000)
    assert (made.state, made.paused, made.container, made.memory_bytes) == (state, paused, "4f1c", 1000)


def test_a_container_is_read_from_what_the_engine_tells() -> None:
    found = box_of(
        {
            "Id": "abc", "Image": "sha256:9", "RestartCount": 2,
            "Config": {"Labels": {"com.docker.compose.service": "web", "com.docker.compose.config-hash": "h1"}},
            "State": {
                "Status": "running", "Pid": 12, "ExitCode": 0, "OOMKilled": False, "StartedAt": "2026-01-01T00:00:00.5Z",
                "Health": {"Status": "unhealthy", "Log": [{"Output": "old"}, {"Output": " no\n answer "}]},
            },
        }
    )  # fmt: skip
    assert (found.service, found.config_hash, found.health, found.said) == ("web", "h1", "unhealthy", "no answer")
    assert (found.pid, found.restarts, found.one_off) == (12, 2, False)
