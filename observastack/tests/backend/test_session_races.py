"""What happens at the same time as the end of a session: whoever comes first, afterwards nothing of it is left."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
from redis.asyncio import Redis

from observastack.backend.auth.sessions import Sessions
from observastack.backend.database import Database
from observastack.backend.denylist import Denylist
from observastack.backend.services import build
from observastack.config import Config
from observastack.tests.backend import people
from observastack.tests.backend.serving import PREFIX, Backend, Store, until
from observastack.tests.platform import PASSWORD


def refresh(served: Backend, token: str) -> httpx.Response:
    return served.client.post(f"{PREFIX}/auth/refresh", json={"refresh_token": token})


def while_locked(served: Backend, store: Store, statements: list[tuple[str, Any]], act: Callable[[], Any]) -> Any:
    """Do something whose statement must wait for a transaction of these statements, then commit that."""
    with (
        psycopg.connect(**served.config.database.connection("owner")) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        for statement, parameters in statements:
            connection.execute(statement.encode(), parameters)
        acting: Future[Any] = pool.submit(act)
        until(
            lambda: (
                store.sql(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND %s = ANY(pg_blocking_pids(pid))",
                    connection.info.backend_pid,
                )
                != []
            ),
            "it waits",
        )
        connection.commit()
        return acting.result(20)


def test_a_logout_also_ends_a_refresh_that_was_under_way(served: Backend, store: Store) -> None:
    pair = served.login("acme-analyst").json()
    family = store.sql("SELECT family FROM refresh_tokens ORDER BY expires_at DESC LIMIT 1")[0][0]
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    # What a refresh does, up to its commit: the old token is used, the next one is there.
    under_way = [
        ("UPDATE refresh_tokens SET used_at = now() WHERE family = %s", (family,)),
        (
            "INSERT INTO refresh_tokens(family, user_id, token_hash, expires_at)"
            " SELECT family, user_id, sha256('the-next-one'), expires_at FROM refresh_tokens WHERE family = %s",
            (family,),
        ),
    ]
    ended = while_locked(served, store, under_way, lambda: served.client.post(f"{PREFIX}/auth/logout", headers=headers))
    assert ended.status_code == 204
    assert refresh(served, "the-next-one").status_code == 401


def test_a_login_that_overtakes_a_deactivation_gets_no_session(served: Backend, store: Store) -> None:
    somebody = people.person(served, people.tenant(served))
    disabling = [("UPDATE users SET enabled = false WHERE id = %s", (somebody.id,))]
    answer = while_locked(served, store, disabling, lambda: served.login(somebody.username, somebody.password))
    assert answer.status_code == 401, answer.text


def test_a_login_that_overtakes_a_change_of_roles_gets_the_new_ones(served: Backend, store: Store) -> None:
    somebody = people.person(served, people.tenant(served), "tenant_admin")
    changing = [("UPDATE users SET roles = '{viewer}' WHERE id = %s", (somebody.id,))]
    answer = while_locked(served, store, changing, lambda: served.login(somebody.username, somebody.password))
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert served.client.get(f"{PREFIX}/auth/me", headers=headers).json()["roles"] == ["viewer"]


def test_many_users_are_deactivated_at_once(served: Backend) -> None:
    """More than there are connections: an act that held one and waited for another would stand still."""
    home = people.tenant(served)
    crowd = [people.person(served, home) for _ in range(8)]

    def deactivate(person: people.Person) -> int:
        return served.post("platform-admin", f"/admin/users/{person.id}/deactivate", None).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(deactivate, crowd)) == [200] * 8
    assert all(served.login(person.username, PASSWORD).status_code == 401 for person in crowd)


async def test_an_end_is_remembered_as_long_as_a_clock_that_is_late_may_use_the_token(served_config: Config) -> None:
    auth, family = dataclasses.replace(served_config.auth, leeway_s=60), uuid.uuid4()
    redis = Redis(host=served_config.redis.host, port=served_config.redis.port, password=served_config.redis.password())
    database = Database(served_config)
    await database.open()
    nobody: Any = None
    sessions = Sessions(auth, database, Denylist(redis), tokens=nobody, passwords=nobody, tenants=nobody)
    try:
        await sessions.end(family)
        assert await redis.ttl(f"observastack:deny:{family.hex}") > auth.access_ttl_s + 50
    finally:
        await database.close()
        await redis.aclose()


async def test_refreshes_that_come_right_after_the_start_do_not_wait_for_each_other(
    served: Backend, served_config: Config
) -> None:
    """Nobody has read the tenants yet, and there are more of them than connections."""
    tokens = [str(served.login("acme-viewer").json()["refresh_token"]) for _ in range(8)]
    services = build(served_config)
    await services.database.open()
    try:
        pairs = await asyncio.gather(*(services.sessions.refresh(token) for token in tokens))
    finally:
        await services.database.close()
    assert len({pair.refresh_token for _, pair in pairs}) == 8
