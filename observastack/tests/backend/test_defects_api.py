"""Each defect of administration, limits, caches, search's further operations and insights does what its name says.

Each is looked for in four processes: one without defects and three with a third of them each. It is found exactly where
it is switched on, so none of them changes what another one does.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.people import person, tenant
from observastack.tests.backend.serving import PREFIX, SECOND, Backend, Store, backend, until
from tests.servers import free_port, redis_server

GROUPS: dict[str, tuple[str, ...]] = {
    "none": (),
    "first": (
        "no_rbac_admin", "user_disable_noop", "refusals_unaudited", "suspended_tenant_reads", "cors_star", "schema_drift",
        "history_leak", "aggregate_leak", "insights_wrong_total", "rate_limit_off_by_tenant",
    ),
    "second": (
        "tenant_admin_sees_all", "role_change_ignored", "admin_unaudited", "rate_limit_no_retry_after", "correlate_leak",
        "cache_key_without_tenant", "request_id_missing", "viewer_can_export",
    ),
    "third": ("audit_skipped", "limit_ignored", "error_leak", "stream_ends_silently"),
}  # fmt: skip
ERA = 1_795_000_000 * SECOND


@pytest.fixture(scope="module", params=GROUPS)
def defective(
    request: pytest.FixtureRequest, served_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Backend]]:
    """The platform with a group of defects, on a Redis of its own: neither cache nor limits are shared."""
    folder = tmp_path_factory.mktemp("defects")
    with ExitStack() as stack:
        cache = urlsplit(stack.enter_context(redis_server()))
        document = json.loads(served_config.file.read_text())
        document["redis"] = {"host": cache.hostname, "port": cache.port}
        document["backend"]["port"] = free_port()
        file = folder / "observastack.json"
        file.write_text(json.dumps(document))
        config = configuration.load(file, environ={})
        names = ",".join(GROUPS[request.param])
        yield request.param, stack.enter_context(backend(config, folder, defects=names))


Look = Callable[[Backend, Store], bool]
LOOKS: dict[str, Look] = {}


def look(function: Look) -> Look:
    """Registers a function that says whether the defect of its name is there."""
    LOOKS[function.__name__] = function
    return function


def entries(served: Backend, **query: str) -> list[dict[str, object]]:
    answer = served.call("platform-admin", "GET", "/admin/audit-logs", params={"limit": 200, **query})
    found: list[dict[str, object]] = answer.json()["items"]
    return found


def window() -> dict[str, str]:
    """A time range that nobody else asks for."""
    offset = uuid.uuid4().int % 10**6 * 3600 * SECOND // 10**6
    return {"from": str(ERA - offset), "to": str(ERA + 3600 * SECOND)}


@look
def no_rbac_admin(served: Backend, store: Store) -> bool:
    return served.get("acme-viewer", "/admin/users").status_code == 200


@look
def tenant_admin_sees_all(served: Backend, store: Store) -> bool:
    tenants = served.get("acme-tenant_admin", "/admin/tenants").json()["items"]
    return [one["id"] for one in tenants] != ["acme"]


@look
def suspended_tenant_reads(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    served.call("platform-admin", "PUT", f"/admin/tenants/{one.tenant}", json={"status": "suspended"})
    return one.get("/auth/me").status_code == 200


@look
def user_disable_noop(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    assert served.post("platform-admin", f"/admin/users/{one.id}/deactivate", None).status_code == 200
    return served.login(one.username, one.password).status_code == 200


@look
def role_change_ignored(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    path = f"/admin/users/{one.id}"
    assert served.call("platform-admin", "PUT", f"{path}/roles", json={"roles": ["editor"]}).status_code == 200
    roles: list[str] = served.get("platform-admin", path).json()["roles"]
    return roles == ["viewer"]


@look
def audit_skipped(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    return not entries(served, action="user.create", tenant=one.tenant)


@look
def refusals_unaudited(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    one.post("/admin/tenants", {"id": "mine", "name": "Mine"})
    if not entries(served, action="user.create", tenant=one.tenant):
        return False  # another defect: nothing at all is recorded
    return not entries(served, action="tenant.create", user=one.username, success="false")


@look
def admin_unaudited(served: Backend, store: Store) -> bool:
    key = tenant(served)
    served.get("platform-admin", f"/admin/tenants/{key}")
    if not entries(served, action="tenant.create", tenant=key):
        return False
    return not [one for one in entries(served, action="tenant") if one["resource"] == f"tenants/{key}"]


@look
def limit_ignored(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served, requests_per_minute=1))
    return {one.get("/auth/me").status_code for _ in range(3)} == {200}


@look
def rate_limit_off_by_tenant(served: Backend, store: Store) -> bool:
    busy, idle = (person(served, tenant(served, requests_per_minute=4)) for _ in range(2))
    for _ in range(4):
        busy.get("/auth/me")
    return idle.get("/auth/me").status_code == 429


@look
def rate_limit_no_retry_after(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served, requests_per_minute=1))
    answers = [one.get("/auth/me") for _ in range(6)]
    return any(answer.status_code == 429 and "retry-after" not in answer.headers for answer in answers)


@look
def cache_key_without_tenant(served: Backend, store: Store) -> bool:
    first, second = (person(served, tenant(served)) for _ in range(2))
    store.logs(first.tenant, [{"ts": ERA}], "of-the-first")
    asked = window()
    services = []
    for one in (first, second):
        found = one.get("/insights/cost-breakdown", **asked).json()
        services.append([item["service"] for item in found["items"]])
    return services[1] == ["of-the-first"]


@look
def history_leak(served: Backend, store: Store) -> bool:
    home = tenant(served)
    one, other = person(served, home), person(served, home)
    one.post("/search", {"type": "logs", "free_text": "mine"})
    until(lambda: bool(one.get("/search/history").json()["items"]), "it is in the own history")
    return bool(other.get("/search/history").json()["items"])


@look
def correlate_leak(served: Backend, store: Store) -> bool:
    trace = uuid.uuid4().hex
    other = _first_tenant_but(served, "globex")
    store.logs(other, [{"ts": ERA, "trace_id": trace}])
    return bool(served.post("globex-viewer", "/search/correlate", {"trace_id": trace}).json()["items"])


@look
def aggregate_leak(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    for key in ("acme", "globex"):
        store.logs(key, [{"ts": ERA}])
    found = one.post("/search/aggregate", {"type": "logs", "time_range": window()}).json()
    return bool(found["total"])


def _first_tenant_but(served: Backend, key: str) -> str:
    """The tenant that a defect takes for another one."""
    return next(one for one in ("acme", "globex") if one != key)


@look
def stream_ends_silently(served: Backend, store: Store) -> bool:
    fault = {"source": "traces", "error_rate": 1.0, "ttl_s": 20}
    served.post("platform-admin", "/test-data/faults", fault)
    answer = served.post("acme-viewer", "/search/stream", {"type": "traces"})
    served.post("platform-admin", "/test-data/faults", {**fault, "error_rate": 0.0})
    return "event: error" not in answer.text


@look
def insights_wrong_total(served: Backend, store: Store) -> bool:
    one = person(served, tenant(served))
    store.logs(one.tenant, [{"ts": ERA, "body": "x" * 500}])
    found = one.get("/insights/cost-breakdown", **window()).json()
    if not found["items"]:
        return False  # another defect: the cache of another tenant
    return bool(found["total"] > sum(item["cost"] for item in found["items"]) * 1.05)


@look
def viewer_can_export(served: Backend, store: Store) -> bool:
    return served.get("acme-viewer", "/insights/export?kind=cost-breakdown").status_code == 200


@look
def error_leak(served: Backend, store: Store) -> bool:
    return "observastack.backend" in served.get("acme-viewer", "/traces/nothing").text


@look
def cors_star(served: Backend, store: Store) -> bool:
    headers = {"Origin": "http://evil.example"}
    answer = served.client.get(f"{PREFIX}/health/live", headers=headers)
    return "access-control-allow-origin" in answer.headers


@look
def schema_drift(served: Backend, store: Store) -> bool:
    return not isinstance(served.post("acme-viewer", "/search", {}).json()["stats"]["matched"], int)


@look
def request_id_missing(served: Backend, store: Store) -> bool:
    return "x-request-id" not in served.client.get(f"{PREFIX}/health/live").headers


def test_every_defect_of_a_group_is_looked_for() -> None:
    assert sorted(LOOKS) == sorted(name for group in GROUPS.values() for name in group)


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_a_defect_is_there_only_when_it_is_on(defective: tuple[str, Backend], store: Store, name: str) -> None:
    group, running = defective
    assert LOOKS[name](running, store) == (name in GROUPS[group])
