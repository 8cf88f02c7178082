"""Administration: who reaches what, what is kept and ended, and that every act is in the audit log."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from observastack.tests.backend.people import person
from observastack.tests.backend.serving import Backend, Store, until


def name(prefix: str = "u") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def made(served: Backend, by: str = "acme-tenant_admin", **changes: Any) -> tuple[dict[str, Any], str]:
    """A new user and the password."""
    body = {"username": name(), "email": "new@example.test", "roles": ["viewer"], **changes}
    answer = served.post(by, "/admin/users", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["user"], answer.json()["temporary_password"]


def journal(served: Backend, by: str, **query: Any) -> list[dict[str, Any]]:
    answer = served.call(by, "GET", "/admin/audit-logs", params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.fixture
def tenant(served: Backend) -> str:
    key = name("t")
    answer = served.post("platform-admin", "/admin/tenants", {"id": key, "name": "Temporary", "color": "#336699"})
    assert answer.status_code == 201, answer.text
    return key


@pytest.mark.parametrize("role", ["viewer", "editor", "analyst"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/tenants"),
        ("GET", "/admin/users"),
        ("GET", "/admin/audit-logs"),
        ("GET", "/admin/settings"),
        ("GET", "/admin/roles"),
        ("GET", "/admin/health"),
        ("POST", "/admin/users"),
        ("PUT", "/admin/settings"),
    ],
)
def test_who_does_not_administer_is_refused(served: Backend, role: str, method: str, path: str) -> None:
    body = {"username": name(), "email": "x@example.test", "roles": ["viewer"]} if method == "POST" else {}
    answer = served.call(f"acme-{role}", method, path, json=None if method == "GET" else body)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


def test_a_tenant_admin_sees_the_own_tenant_only(served: Backend) -> None:
    tenants = served.get("acme-tenant_admin", "/admin/tenants").json()["items"]
    assert [one["id"] for one in tenants] == ["acme"]
    users = served.get("acme-tenant_admin", "/admin/users").json()
    assert {one["tenant_id"] for one in users["items"]} == {"acme"}
    assert users["total"] == len(users["items"]) >= 5
    assert {one["tenant"] for one in journal(served, "acme-tenant_admin")} == {"acme"}


def test_the_platform_admin_sees_all_tenants(served: Backend) -> None:
    tenants = served.get("platform-admin", "/admin/tenants").json()["items"]
    assert {"acme", "globex", "initech"} <= {one["id"] for one in tenants}
    users = served.get("platform-admin", "/admin/users?limit=200").json()
    assert {"acme", "globex", "initech", None} <= {one["tenant_id"] for one in users["items"]}
    found = served.get("platform-admin", "/admin/users?tenant=globex&role=viewer").json()["items"]
    assert [one["username"] for one in found] == ["globex-viewer"]


def test_another_tenants_object_is_told_apart_from_a_missing_one_by_nothing(served: Backend) -> None:
    (foreign,) = served.get("platform-admin", "/admin/users?tenant=globex&q=globex-viewer").json()["items"]
    pairs = [
        ("GET", f"/admin/users/{foreign['id']}", f"/admin/users/{uuid.uuid4()}", None),
        ("PUT", f"/admin/users/{foreign['id']}", f"/admin/users/{uuid.uuid4()}", {"name": "Mine"}),
        ("DELETE", f"/admin/users/{foreign['id']}", f"/admin/users/{uuid.uuid4()}", None),
        ("PUT", f"/admin/users/{foreign['id']}/roles", f"/admin/users/{uuid.uuid4()}/roles", {"roles": ["viewer"]}),
        ("POST", f"/admin/users/{foreign['id']}/deactivate", f"/admin/users/{uuid.uuid4()}/deactivate", None),
        ("GET", "/admin/tenants/globex", "/admin/tenants/nowhere", None),
        ("GET", "/admin/tenants/globex/stats", "/admin/tenants/nowhere/stats", None),
        ("PUT", "/admin/tenants/globex", "/admin/tenants/nowhere", {"name": "Mine"}),
        ("GET", "/admin/users?tenant=globex", "/admin/users?tenant=nowhere", None),
        ("GET", "/admin/audit-logs?tenant=globex", "/admin/audit-logs?tenant=nowhere", None),
        ("GET", "/admin/settings?tenant=globex", "/admin/settings?tenant=nowhere", None),
    ]
    for method, foreign_path, missing_path, body in pairs:
        answers = [served.call("acme-tenant_admin", method, path, json=body) for path in (foreign_path, missing_path)]
        assert [one.status_code for one in answers] == [404, 404], foreign_path
        bodies = [{**one.json()["error"], "request_id": ""} for one in answers]
        assert bodies[0] == bodies[1]
    assert served.get("globex-viewer", "/auth/me").status_code == 200


def test_a_new_user_logs_in_with_the_temporary_password(served: Backend) -> None:
    user, password = made(served, name="Ada Lovelace")
    assert user["name"] == "Ada Lovelace"
    assert user["tenant_id"] == "acme"
    assert user["last_seen"] is None
    assert served.login(user["username"], password).status_code == 200
    seen = served.get("acme-tenant_admin", f"/admin/users/{user['id']}").json()
    assert seen["last_seen"] is not None
    assert password not in served.log.read_text()


def test_a_repeated_creation_makes_one_user_and_tells_the_password_once(served: Backend) -> None:
    body = {"username": name(), "email": "x@example.test", "roles": ["viewer"]}
    headers = {"Idempotency-Key": name("key"), "Authorization": f"Bearer {served.token('acme-tenant_admin')}"}
    first, second = (served.client.post("/api/v1/admin/users", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["user"] == second.json()["user"]
    assert first.json()["temporary_password"]
    assert second.json()["temporary_password"] is None
    other = served.client.post("/api/v1/admin/users", json={**body, "username": name()}, headers=headers)
    assert other.status_code == 422


def test_a_user_name_is_taken_once(served: Backend) -> None:
    user, _ = made(served)
    body = {"username": user["username"], "email": "x@example.test", "roles": ["viewer"]}
    answer = served.post("acme-tenant_admin", "/admin/users", body)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "conflict"


def test_deactivating_ends_every_session_and_activating_lets_in_again(served: Backend) -> None:
    user, password = made(served)
    pair = served.login(user["username"], password).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    me = "/api/v1/auth/me"
    assert served.client.get(me, headers=headers).status_code == 200
    answer = served.post("acme-tenant_admin", f"/admin/users/{user['id']}/deactivate", None)
    assert answer.status_code == 200
    assert answer.json()["enabled"] is False
    assert served.client.get(me, headers=headers).status_code == 401
    refreshed = served.client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert refreshed.status_code == 401
    assert served.login(user["username"], password).status_code == 401
    assert served.post("acme-tenant_admin", f"/admin/users/{user['id']}/activate", None).json()["enabled"] is True
    assert served.login(user["username"], password).status_code == 200
    assert served.client.get(me, headers=headers).status_code == 401


def test_new_roles_apply_at_once(served: Backend) -> None:
    user, password = made(served)
    token = served.login(user["username"], password).json()["access_token"]
    path = f"/admin/users/{user['id']}/roles"
    answer = served.call("acme-tenant_admin", "PUT", path, json={"roles": ["analyst"]})
    assert answer.json()["roles"] == ["analyst"]
    old = served.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert old.status_code == 401
    token = served.login(user["username"], password).json()["access_token"]
    fresh = served.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert fresh.json()["roles"] == ["analyst"]


def test_nobody_grants_more_than_they_have(served: Backend) -> None:
    user, _ = made(served)
    path = f"/admin/users/{user['id']}/roles"
    assert served.call("acme-tenant_admin", "PUT", path, json={"roles": ["admin"]}).status_code == 403
    body = {"username": name(), "email": "x@example.test", "roles": ["admin"]}
    assert served.post("acme-tenant_admin", "/admin/users", body).status_code == 403
    # Across tenants by naming one: as if it did not exist.
    body = {"username": name(), "email": "x@example.test", "roles": ["viewer"], "tenant_id": "globex"}
    assert served.post("acme-tenant_admin", "/admin/users", body).status_code == 404


def test_nobody_locks_themselves_out(served: Backend) -> None:
    me = served.get("acme-tenant_admin", "/auth/me").json()["sub"]
    for method, path, body in (
        ("POST", f"/admin/users/{me}/deactivate", None),
        ("DELETE", f"/admin/users/{me}", None),
        ("PUT", f"/admin/users/{me}/roles", {"roles": ["viewer"]}),
    ):
        assert served.call("acme-tenant_admin", method, path, json=body).status_code == 409
    assert served.get("acme-tenant_admin", "/auth/me").status_code == 200


def test_a_deleted_user_is_gone_with_the_sessions(served: Backend) -> None:
    user, password = made(served)
    token = served.login(user["username"], password).json()["access_token"]
    assert served.call("acme-tenant_admin", "DELETE", f"/admin/users/{user['id']}").status_code == 204
    assert served.get("acme-tenant_admin", f"/admin/users/{user['id']}").status_code == 404
    assert served.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_users_come_in_pages_that_hold_each_once(served: Backend) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = served.get("platform-admin", f"/admin/users?limit=3{cursor}").json()
        seen += [one["username"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(set(seen))
    assert len(seen) == page["total"]
    for bad in ("x", "AAAA", "bnVsbA"):
        assert served.get("platform-admin", f"/admin/users?cursor={bad}").status_code == 422


def test_a_suspended_tenant_is_refused_until_it_is_active_again(served: Backend, tenant: str) -> None:
    user, password = made(served, "platform-admin", tenant_id=tenant)
    token = served.login(user["username"], password).json()["access_token"]

    def status() -> int:
        return served.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code

    assert status() == 200
    assert served.call("platform-admin", "PUT", f"/admin/tenants/{tenant}", json={"status": "suspended"}).is_success
    answer = served.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "tenant_suspended"
    assert served.login(user["username"], password).status_code == 403
    assert served.call("platform-admin", "PUT", f"/admin/tenants/{tenant}", json={"status": "active"}).is_success
    assert status() == 200


def test_a_tenant_admin_renames_the_tenant_but_does_not_suspend_it(served: Backend) -> None:
    before = served.get("initech-tenant_admin", "/admin/tenants/initech").json()
    answer = served.call("initech-tenant_admin", "PUT", "/admin/tenants/initech", json={"color": "#aabbcc"})
    assert answer.json() == {**before, "color": "#aabbcc"}
    answer = served.call("initech-tenant_admin", "PUT", "/admin/tenants/initech", json={"status": "suspended"})
    assert answer.status_code == 403
    assert served.post("initech-tenant_admin", "/admin/tenants", {"id": name("t"), "name": "X"}).status_code == 403


def test_a_tenant_is_deleted_only_when_suspended_and_empty(
    served: Backend, store: Store, tenant: str, era: int
) -> None:
    path = f"/admin/tenants/{tenant}"
    assert served.call("platform-admin", "DELETE", path).status_code == 409  # active
    user, _ = made(served, "platform-admin", tenant_id=tenant)
    served.call("platform-admin", "PUT", path, json={"status": "suspended"})
    assert served.call("platform-admin", "DELETE", path).status_code == 409  # has a user
    assert served.call("platform-admin", "DELETE", f"/admin/users/{user['id']}").status_code == 204
    assert served.call("platform-admin", "DELETE", path).status_code == 204
    assert served.get("platform-admin", path).status_code == 404
    full = name("t")
    served.post("platform-admin", "/admin/tenants", {"id": full, "name": "Full"})
    store.logs(full, [{"ts": era, "body": "kept"}])
    served.call("platform-admin", "PUT", f"/admin/tenants/{full}", json={"status": "suspended"})
    answer = served.call("platform-admin", "DELETE", f"/admin/tenants/{full}")
    assert answer.status_code == 409
    assert "items" in answer.json()["error"]["message"]


def test_a_tenants_id_is_taken_once(served: Backend, tenant: str) -> None:
    assert served.post("platform-admin", "/admin/tenants", {"id": tenant, "name": "Again"}).status_code == 409
    for bad in ("", "Upper", "-dash", "a|b", "a/b", "x" * 64, "ä"):
        assert served.post("platform-admin", "/admin/tenants", {"id": bad, "name": "Bad"}).status_code == 422


def test_the_stats_of_a_tenant_are_counted(served: Backend, store: Store, tenant: str) -> None:
    empty = served.get("platform-admin", f"/admin/tenants/{tenant}/stats").json()
    assert empty == {"logs": 0, "spans": 0, "series": 0, "bytes_per_day": 0, "last_write": None}
    other = name("t")
    served.post("platform-admin", "/admin/tenants", {"id": other, "name": "Other"})
    import time

    now = time.time_ns()
    store.logs(other, [{"ts": now - n * 10**9, "body": "hello"} for n in range(7)])
    store.spans(other, [{"ts": now, "trace_id": "ab" * 16, "span_id": f"{n:016x}"} for n in range(1, 4)])
    store.samples(other, "load", [(now, 1.0)])
    stats = served.get("platform-admin", f"/admin/tenants/{other}/stats").json()
    assert (stats["logs"], stats["spans"], stats["series"]) == (7, 3, 1)
    assert 7 * 50 < stats["bytes_per_day"] < 7 * 2000
    assert stats["last_write"] is not None


def test_settings_apply_from_the_tenant_then_the_platform(served: Backend, tenant: str) -> None:
    user, password = made(served, "platform-admin", tenant_id=tenant, roles=["tenant_admin"])
    token = served.login(user["username"], password).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    url = "/api/v1/admin/settings"
    first = served.client.get(url, headers=headers).json()
    assert first == {
        "retention_days": None, "requests_per_minute": 0, "anomaly_sigma": 3.0, "updated_at": None, "updated_by": None,
    }  # fmt: skip
    changed = served.client.put(url, headers=headers, json={"retention_days": 7, "anomaly_sigma": 4.5}).json()
    assert (changed["retention_days"], changed["anomaly_sigma"]) == (7, 4.5)
    assert changed["updated_by"] == user["username"]
    assert changed["updated_at"] is not None
    assert served.client.put(url, headers=headers, json={"requests_per_minute": 5}).status_code == 403
    taken_back = served.client.put(url, headers=headers, json={"retention_days": None, "anomaly_sigma": None}).json()
    assert (taken_back["retention_days"], taken_back["anomaly_sigma"]) == (None, 3.0)


@pytest.mark.parametrize("level", ["tenant", "platform"])
def test_two_who_change_settings_at_the_same_time_do_not_undo_each_other(
    served: Backend, store: Store, tenant: str, level: str
) -> None:
    url, table = "/admin/settings", "platform_settings"
    if level == "tenant":
        url, table = f"{url}?tenant={tenant}", f"tenants WHERE key = '{tenant}'"
    served.token("platform-admin")
    first = served.call("platform-admin", "PUT", url, json={"anomaly_sigma": 2.0})
    assert first.status_code == 200, first.text
    changes = [{"anomaly_sigma": 5.5}, {"retention_days": 11}]
    with (
        psycopg.connect(**served.config.database.connection("owner")) as connection,
        ThreadPoolExecutor(2) as pool,
    ):
        connection.execute(f"SELECT 1 FROM {table} FOR NO KEY UPDATE".encode())
        answers = [pool.submit(served.call, "platform-admin", "PUT", url, json=change) for change in changes]
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        until(lambda: bool(store.sql(waiting)[0][0] >= 2), "both wait")
        connection.commit()
        assert [answer.result(20).status_code for answer in answers] == [200, 200]
    found = served.get("platform-admin", url).json()
    try:
        assert (found["anomaly_sigma"], found["retention_days"]) == (5.5, 11)
    finally:
        served.call("platform-admin", "PUT", url, json={"anomaly_sigma": None, "retention_days": None})


def test_a_tenant_does_not_see_what_another_one_did_that_had_its_id_before(served: Backend, tenant: str) -> None:
    path, body = f"/admin/tenants/{tenant}", {"id": tenant, "name": "Of somebody else"}
    assert served.call("platform-admin", "PUT", path, json={"status": "suspended"}).status_code == 200
    assert served.call("platform-admin", "DELETE", path).status_code == 204
    assert served.post("platform-admin", "/admin/tenants", body).status_code == 201
    own = person(served, tenant, "tenant_admin").get("/admin/audit-logs", limit=200).json()["items"]
    assert [one["action"] for one in own if one["action"].startswith("tenant.")] == ["tenant.create"]
    known = served.get("platform-admin", f"/admin/audit-logs?tenant={tenant}&limit=200").json()["items"]
    assert sum(one["action"] == "tenant.create" for one in known) == 2  # a platform admin sees both


def test_every_act_is_in_the_audit_log(served: Backend) -> None:
    user, _ = made(served)
    path = f"/admin/users/{user['id']}"
    served.call("acme-tenant_admin", "PUT", path, json={"name": "Renamed"})
    served.call("acme-tenant_admin", "PUT", f"{path}/roles", json={"roles": ["editor"]})
    served.post("acme-tenant_admin", f"{path}/deactivate", None)
    served.post("acme-tenant_admin", f"{path}/activate", None)
    served.call("acme-tenant_admin", "DELETE", path)
    acts = [one for one in journal(served, "acme-tenant_admin") if one["resource"] == f"users/{user['id']}"]
    assert [one["action"] for one in reversed(acts)] == [
        "user.create", "user.update", "user.roles", "user.deactivate", "user.activate", "user.delete",
    ]  # fmt: skip
    for one in acts:
        assert one["success"] is True
        assert one["user"] == "acme-tenant_admin"
        assert one["tenant"] == "acme"
        assert one["ip"] == "127.0.0.1"
        assert one["request_id"]


def test_a_refused_act_is_in_the_audit_log_of_who_tried(served: Backend) -> None:
    foreign = served.get("globex-viewer", "/auth/me").json()["sub"]
    served.call("acme-tenant_admin", "DELETE", f"/admin/users/{foreign}")
    served.post("acme-editor", "/admin/users", {"username": name(), "email": "x@example.test", "roles": ["viewer"]})
    served.post("acme-tenant_admin", "/admin/users", {"username": "no spaces please"})
    refused = journal(served, "acme-tenant_admin", success="false")
    found = {(one["user"], one["action"], one["detail"]["status"]) for one in refused if one["detail"]}
    assert ("acme-tenant_admin", "user.delete", 404) in found
    assert ("acme-editor", "user.create", 403) in found
    assert ("acme-tenant_admin", "user.create", 422) in found
    assert all(one["tenant"] == "acme" for one in refused)
    # The other tenant's log does not show that somebody else tried.
    assert not [one for one in journal(served, "globex-tenant_admin") if one["user"] == "acme-tenant_admin"]


def test_what_a_platform_admin_reads_is_in_the_audit_log(served: Backend) -> None:
    served.get("platform-admin", "/admin/users?tenant=globex")
    (last, *_) = journal(served, "platform-admin", user="platform-admin", action="users")
    assert last["success"] is True
    # The tenant's own administrators see who looked.
    (seen, *_) = journal(served, "globex-tenant_admin", user="platform-admin", action="users")
    assert (seen["id"], seen["tenant"]) == (last["id"], "globex")


def test_the_audit_log_is_filtered_and_paged(served: Backend) -> None:
    made(served)
    served.login("acme-viewer", "wrong password")
    until(lambda: bool(journal(served, "platform-admin", action="login", success="false")), "the refused log-in")
    for one in journal(served, "acme-tenant_admin", action="user."):
        assert one["action"].startswith("user.")
    ids: list[str] = []
    cursor = ""
    for _ in range(4):
        page = served.get("platform-admin", f"/admin/audit-logs?limit=2&action=login{cursor}").json()
        ids += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert ids == sorted(set(ids), key=int, reverse=True)
    assert journal(served, "platform-admin", **{"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}) == []


def test_roles_say_what_they_may_do(served: Backend) -> None:
    items = served.get("acme-tenant_admin", "/admin/roles").json()["items"]
    roles = {one["role"]: one["permissions"] for one in items}
    assert set(roles) == {"viewer", "editor", "analyst", "tenant_admin", "agent", "admin"}
    assert "search:export" in roles["analyst"]
    assert "admin:platform" not in roles["tenant_admin"]


def test_health_is_for_the_platform_admin(served: Backend) -> None:
    assert served.get("acme-tenant_admin", "/admin/health").status_code == 403
    document = served.get("platform-admin", "/admin/health").json()
    assert {one["name"] for one in document["dependencies"]} >= {"postgres", "redis"}
    assert document["defects"] == []
    assert document["uptime_s"] > 0
    assert set(document["sources"]) == {"logs", "metrics", "traces"}


def test_the_database_itself_keeps_tenants_users_apart(served: Backend, store: Store) -> None:
    import psycopg

    with psycopg.connect(**served.config.database.connection("app")) as connection:
        connection.execute("SELECT set_config('app.scope', 'acme', true)")
        tenants = {tuple(row[0]) for row in connection.execute("SELECT tenants FROM users").fetchall()}
        assert tenants == {("acme",)}
        logged = {row[0] for row in connection.execute("SELECT DISTINCT tenant FROM audit_log").fetchall()}
        assert logged <= {"acme"}
        connection.rollback()
        for table in ("users", "audit_log"):  # without a scope nothing is seen at all
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
        connection.rollback()
        for statement in ("UPDATE audit_log SET success = true", "DELETE FROM audit_log", "TRUNCATE users"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
            connection.rollback()
