"""From what was recorded and what was just seen to the state of an environment."""

from typing import Any

import pytest

from runners.environment.host.supervisor import BACKOFF, FATAL, RUNNING, STARTING, STOPPED, Process
from runners.environment.local import unit
from runners.environment.state import Seen, Unit, reduce

RECORDED: dict[str, Any] = {
    "state": "ready", "kind": "local", "defects": ["slow_search"], "urls": {"api": "http://127.0.0.1:8000"},
    "services": [
        {"name": name, "program": name, "implementation": "real", "version": "1", "port": 1, "url": "u", "requires": []}
        for name in ("postgres", "redis")
    ],
}  # fmt: skip


def running(**units: Unit) -> dict[str, Unit]:
    return {name: units.get(name, Unit("running", 7)) for name in ("postgres", "redis")}


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
     (BACKOFF, "failed", "unhealthy"), (FATAL, "failed", "unhealthy")],
)  # fmt: skip
def test_one_unhealthy_service_degrades(code: int, service_state: str, health: str) -> None:
    units = running(redis=unit(Process("redis", code, 0, 0.0, "")))
    seen = Seen(units, {"postgres": None, "redis": "nothing listens on its port"})
    document = reduce("local", RECORDED, seen, None)
    redis = document["services"][1]
    assert (document["state"], redis["state"], redis["health"]) == ("degraded", service_state, health)


def test_a_container_is_named_in_place_of_a_process() -> None:
    units = running(redis=Unit("running", None, "4f1c", memory_bytes=4_000_000))
    document = reduce("box", RECORDED | {"kind": "compose"}, Seen(units, HEALTHY), None)
    redis = document["services"][1]
    assert (document["kind"], document["state"], redis["pid"]) == ("compose", "ready", None)
    assert (redis["container"], redis["memory_bytes"]) == ("4f1c", 4_000_000)


def test_without_the_engine_an_environment_of_containers_has_failed() -> None:
    assert state(Seen(None, {"postgres": "-", "redis": "-"}), RECORDED | {"kind": "compose"}) == "failed"


def test_without_supervisord_the_environment_has_failed() -> None:
    seen = Seen(None, {"postgres": "nothing listens", "redis": "nothing listens"})
    document = reduce("local", RECORDED, seen, None)
    assert document["state"] == "failed"
    assert {service["state"] for service in document["services"]} == {"failed"}


def test_a_paused_process_says_so() -> None:
    seen = Seen(running(redis=Unit("running", 7, paused=True)), {"postgres": None, "redis": "no answer within 2 s"})
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
