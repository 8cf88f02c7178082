"""Seeded data: exactly what was asked for, found and deleted by its run; the whole API absent where it is not wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.serving import SECOND, Backend, Store, backend
from tests.servers import free_port


def test_seed_summary_delete(served: Backend, store: Store, era: int) -> None:
    window = {"from": str(era), "to": str(era + 60 * SECOND)}
    counts = {"logs": 120, "traces": 60, "metrics": 30}
    body = {"tenant": "initech", "run": "seed-1", "time_range": window, **counts}
    before = served.get("platform-admin", "/test-data/summary?tenant=initech").json()["tenants"]["initech"]["total"]
    answer = served.post("platform-admin", "/test-data/seed", body)
    assert answer.status_code == 201
    assert answer.json() == {"run": "seed-1", "tenant": "initech", "items": counts}
    summary = served.get("platform-admin", "/test-data/summary?tenant=initech").json()["tenants"]
    assert set(summary) == {"initech"}
    assert summary["initech"]["runs"]["seed-1"] == counts
    assert summary["initech"]["total"] == {key: before[key] + count for key, count in counts.items()}
    found = served.export("initech-analyst", {"time_range": window})
    assert found[-1]["count"] == 210
    assert {one["content"]["resource"]["test_data.run"] for one in found[:-1]} == {"seed-1"}

    deleted = served.call("platform-admin", "DELETE", "/test-data/seed-1")
    assert deleted.json() == {"run": "seed-1", "tenants": {"initech": counts}}
    assert served.export("initech-analyst", {"time_range": window})[-1]["count"] == 0
    after = served.get("platform-admin", "/test-data/summary?tenant=initech").json()["tenants"]["initech"]
    assert after["total"] == before
    assert "seed-1" not in after["runs"]
    assert served.call("platform-admin", "DELETE", "/test-data/seed-1").status_code == 404


def test_deleting_a_run_touches_nothing_else(served: Backend, store: Store, era: int) -> None:
    window = {"from": str(era), "to": str(era + 60 * SECOND)}
    for tenant, run in (("acme", "keep"), ("acme", "drop"), ("globex", "drop"), ("globex", "keep")):
        body = {"tenant": tenant, "run": run, "logs": 10, "metrics": 5, "time_range": window}
        assert served.post("platform-admin", "/test-data/seed", body).status_code == 201
    store.logs("acme", [{"ts": era, "body": "own"}])
    answer = served.call("platform-admin", "DELETE", "/test-data/drop").json()
    assert answer["tenants"] == {key: {"logs": 10, "traces": 0, "metrics": 5} for key in ("acme", "globex")}
    assert served.export("acme-analyst", {"time_range": window})[-1]["count"] == 16
    assert served.export("globex-analyst", {"time_range": window})[-1]["count"] == 15
    served.call("platform-admin", "DELETE", "/test-data/keep")


def test_the_same_seed_gives_the_same_items(served: Backend, era: int) -> None:
    found = []
    for number in range(2):
        start = era + number * 100 * SECOND
        window = {"from": str(start), "to": str(start + 10 * SECOND)}
        body = {"tenant": "acme", "run": "same", "logs": 20, "seed": 7, "time_range": window}
        assert served.post("platform-admin", "/test-data/seed", body).status_code == 201
        lines = served.export("acme-analyst", {"time_range": window})[:-1]
        found.append([(one["trace_id"], one["content"]["body"], one["content"]["severity_number"]) for one in lines])
    served.call("platform-admin", "DELETE", "/test-data/same")
    assert len(found[0]) == 20
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"tenant": "no-such", "run": "x"}, 404),
        ({"tenant": "acme", "run": "a b"}, 422),
        ({"tenant": "acme", "run": "x", "logs": -1}, 422),
        ({"tenant": "acme", "run": "x", "logs": 10**9}, 422),
        ({"tenant": "acme", "run": "x", "time_range": {"from": "5", "to": "5"}}, 422),
        ({"run": "x"}, 422),
    ],
)
def test_a_seed_that_makes_no_sense(served: Backend, body: dict[str, object], status: int) -> None:
    assert served.post("platform-admin", "/test-data/seed", body).status_code == status


@pytest.mark.parametrize(
    "change", [{"source": "disk"}, {"error_rate": 2}, {"latency_ms": -1}, {"ttl_s": 0}, {"ttl_s": 10**6}]
)
def test_a_fault_that_makes_no_sense(served: Backend, change: dict[str, object]) -> None:
    assert served.post("platform-admin", "/test-data/faults", {"source": "logs", **change}).status_code == 422


def test_every_admin_act_is_audited(served: Backend, store: Store) -> None:
    served.post("platform-admin", "/test-data/seed", {"tenant": "acme", "run": "audited", "logs": 1})
    served.post("platform-admin", "/test-data/faults", {"source": "logs"})
    served.call("platform-admin", "DELETE", "/test-data/audited")
    rows = store.sql(
        "SELECT action, resource, tenant, success FROM audit_log WHERE username = 'platform-admin'"
        " AND action LIKE 'test-data%' ORDER BY id DESC LIMIT 3"
    )
    assert rows[::-1] == [
        ("test-data.seed", "audited", "acme", True),
        ("test-data.fault", "logs", None, True),
        ("test-data.delete", "audited", None, True),
    ]


def test_where_it_is_not_wanted_it_does_not_exist(served_config: Config, tmp_path: Path) -> None:
    document = json.loads(served_config.file.read_text())
    document.update(test_data_api=False)
    document["backend"]["port"] = free_port()
    file = tmp_path / "observastack.json"
    file.write_text(json.dumps(document))
    with backend(configuration.load(file, environ={}), tmp_path) as running:
        assert running.get("platform-admin", "/test-data/summary").status_code == 404
        assert running.post("platform-admin", "/test-data/faults", {"source": "logs"}).status_code == 404
        capabilities = running.get("acme-viewer", "/meta/capabilities").json()["capabilities"]
        assert "test_data" not in capabilities
