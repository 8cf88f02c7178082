"""What failure.json says, by what failed: a service, a role that is none, or the playbook itself."""

from pathlib import Path
from typing import Any

import pytest

from runners.environment.host import outcome
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment
from tests.servers import free_port


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    environment = Environment(tmp_path / "local")
    environment.logs.mkdir(parents=True)
    closed = f"http://127.0.0.1:{free_port()}/"
    needs = {"postgres": [], "redis": [], "backend": ["postgres", "redis"], "ingest": ["postgres"]}
    services = [
        {"name": name, "requires": required, "log": str(environment.logs / f"{name}.log"),
         "health": {"kind": "http", "url": closed}}
        for name, required in needs.items()
    ]  # fmt: skip
    write_json(environment.state, {"state": "provisioning", "services": services})
    return environment


def summary(document: dict[str, Any]) -> tuple[dict[str, str], dict[str, list[str]]]:
    return (
        {cause["service"]: cause["reason"] for cause in document["root_causes"]},
        {item["service"]: item["by"] for item in document["blocked"]},
    )


def test_what_the_asking_task_found_out_is_taken(environment: Environment) -> None:
    reasons = {"redis": "it ends right after its start", "postgres": None}
    document = outcome.failed(environment, failed_task="Start", message="-", tags=["stores"], reasons=reasons)
    causes, blocked = summary(document)
    assert causes == {"redis": "it ends right after its start"}
    assert blocked == {"backend": ["redis"], "ingest": ["redis"]}  # the latter was not started because of it
    assert document["healthy"] == ["postgres"]
    assert read_json(environment.state)["state"] == "failed"
    assert read_json(environment.failure) == document


def test_what_was_asked_and_requires_a_broken_service_is_blocked_by_that_alone(environment: Environment) -> None:
    reasons = {"postgres": None, "redis": None, "backend": "answers 503", "ingest": None}
    document = outcome.failed(environment, failed_task="Start", message="-", tags=["services"], reasons=reasons)
    assert summary(document) == ({"backend": "answers 503"}, {})


def test_a_service_that_cannot_be_configured_blocks_all_that_does_not_run_yet(environment: Environment) -> None:
    document = outcome.failed(environment, failed_task="Create", message="initdb: no space", tags=["postgres"])
    causes, blocked = summary(document)
    assert causes == {"postgres": "initdb: no space"}
    assert blocked == {name: ["postgres"] for name in ("backend", "ingest", "redis")}


def test_a_role_that_is_no_service_is_named_with_its_own_log(environment: Environment) -> None:
    (environment.logs / "supervisor.log").write_text("cannot bind\n")
    document = outcome.failed(environment, failed_task="Start it", message="it ended", tags=["supervisor"])
    causes, blocked = summary(document)
    assert causes == {"supervisor": "it ended"} and set(blocked) == {"postgres", "redis", "backend", "ingest"}
    assert document["root_causes"][0]["log"] == ["cannot bind"]


def test_a_failure_before_anything_was_decided_is_the_provisioning(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "local")
    document = outcome.failed(environment, failed_task="Decide", message="no postgres server is on this machine")
    assert summary(document) == ({"provisioning": "no postgres server is on this machine"}, {})


def test_the_rollback_is_noted_once(environment: Environment) -> None:
    outcome.failed(environment, failed_task="Start", message="-", tags=["redis"])
    assert outcome.rolled_back(environment)
    assert read_json(environment.failure)["rolled_back"]
    assert not outcome.rolled_back(environment)


def test_no_secret_is_in_the_report_though_a_server_repeats_it(environment: Environment) -> None:
    environment.secrets.mkdir()
    (environment.secrets / "redis_password").write_text("correct-horse-battery")
    (environment.logs / "redis.log").write_text(
        ">>> 'requirepass correct-horse-battery staple'\nwrong number of arguments\n"
    )
    document = outcome.failed(
        environment, failed_task="Start", message="redis: correct-horse-battery", reasons={"redis": "it ended"}
    )
    assert document["root_causes"][0]["log"] == [">>> 'requirepass ******** staple'", "wrong number of arguments"]
    assert "correct-horse" not in environment.failure.read_text()
