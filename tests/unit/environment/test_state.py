"""From what was recorded and what was just seen to the state of an environment."""

from typing import Any

import pytest

from runners.environment.host.supervisor import BACKOFF, RUNNING, STARTING, STOPPED, Process
from runners.environment.state import Seen, reduce

RECORDED: dict[str, Any] = {
    "state": "ready", "kind": "local", "defects": ["slow_search"], "urls": {"api": "http://127.0.0.1:8000"},
    "services": [
        {"name": name, "program": name, "implementation": "real", "version": "1", "port": 1, "url": "u", "requires": []}
        for name in ("postgres", "redis")
    ],
}  # fmt: skip


def process(name: str, code: int, pid: int = 7) -> Process:
    return Process(name, code, pid, 0.0, "")


def running(**codes: int) -> dict[str, Process]:
    return {name: process(name, codes.get(name, RUNNING)) for name in ("postgres", "redis")}


HEALTHY = {"postgres": None, "redis": None}


def state(seen: Seen, recorded: dict[str, Any] | None = RECORDED) -> str:
    return str(reduce("local", recorded, seen, None)["state"])


def test_nothing_recorded_is_absent() -> None:
    document = reduce("local", None, Seen(), None)
    assert (document["state"], document["services"], document["defects"]) == ("absent", [], [])


def test_all_healthy_is_ready() -> None:
    assert state(Seen(running(), HEALTHY)) == "ready"


@pytest.mark.parametrize(
    ("code", "service_state", "health"),
    [(RUNNING, "running", "unhealthy"), (STARTING, "running", "starting"), (STOPPED, "stopped", "unhealthy"),
     (BACKOFF, "failed", "unhealthy")],
)  # fmt: skip
def test_one_unhealthy_service_degrades(code: int, service_state: str, health: str) -> None:
    seen = Seen(running(redis=code), {"postgres": None, "redis": "nothing listens on its port"})
    document = reduce("local", RECORDED, seen, None)
    redis = document["services"][1]
    assert (document["state"], redis["state"], redis["health"]) == ("degraded", service_state, health)


def test_without_supervisord_the_environment_has_failed() -> None:
    seen = Seen(None, {"postgres": "nothing listens", "redis": "nothing listens"})
    document = reduce("local", RECORDED, seen, None)
    assert document["state"] == "failed"
    assert {service["state"] for service in document["services"]} == {"failed"}


def test_a_paused_process_says_so() -> None:
    seen = Seen(running(), {"postgres": None, "redis": "no answer within 2 s"}, frozenset({"redis"}))
    assert "paused" in reduce("local", RECORDED, seen, None)["services"][1]["reason"]


def test_provisioning_without_anybody_at_work_was_interrupted() -> None:
    recorded = RECORDED | {"state": "provisioning"}
    assert state(Seen(busy=True), recorded) == "provisioning"
    assert state(Seen(busy=False), recorded) == "failed"


def test_kept_data_is_an_absent_environment_without_services() -> None:
    document = reduce("local", RECORDED | {"state": "absent"}, Seen(), None)
    assert (document["state"], document["services"], document["urls"]) == ("absent", [], {})


def test_the_lease_names_the_run() -> None:
    assert reduce("local", RECORDED, Seen(running(), HEALTHY), {"run": "r1", "pid": 3})["lease"] == {"run": "r1"}


def test_services_of_a_failed_provisioning_are_gone() -> None:
    document = reduce("local", RECORDED | {"state": "failed"}, Seen(), None)
    assert document["state"] == "failed"
    assert {(item["state"], item["health"], item["pid"]) for item in document["services"]} == {
        ("absent", "unknown", None)
    }


def test_what_an_environment_does_not_have_is_listed_and_disturbs_nobody() -> None:
    missing = {"name": "loki", "title": "Loki", "implementation": "embedded", "reason": "no loki on PATH"}
    recorded = RECORDED | {"absent": [missing], "stores": {"logs": "embedded"}, "identity": "local"}
    document = reduce("local", recorded, Seen(running(), HEALTHY), None)
    assert document["state"] == "ready"
    loki = document["services"][-1]
    assert (loki["name"], loki["state"], loki["health"], loki["reason"]) == (
        "loki",
        "absent",
        "unknown",
        "no loki on PATH",
    )
    assert loki.keys() == document["services"][0].keys()
    assert document["stores"] == {"logs": "embedded"}
    assert reduce("local", recorded | {"state": "absent"}, Seen(), None)["services"] == []
