"""The live stream: everything that arrives at the tenant, once, also across reconnects; nothing of anybody else."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from observastack import config as configuration
from observastack.config import Config
from observastack.store.write import SignalWriter, Write
from observastack.tests.backend.alerting import act, deliver, fired, named, sent, silence, unique
from observastack.tests.backend.serving import SECOND, Backend, Store, backend, until
from observastack.tests.backend.streaming import Message, bodies, stream
from observastack.tests.platform import Tokens, build_platform
from observastack.tests.postgres import own_postgres
from tests.servers import free_port


def now(count: int = 1, name: str = "line", **more: Any) -> list[dict[str, Any]]:
    at = time.time_ns()
    return [{"ts": at + n, "body": f"{name} {n}", **more} for n in range(count)]


class TestItems:
    def test_a_log_record_arrives_as_search_gives_it(self, served: Backend, store: Store) -> None:
        name = unique("one")
        with stream(served, types="logs") as opened:
            store.logs("acme", now(1, name))
            (item,) = opened.items(1)
        query = {"type": "logs", "free_text": name}
        assert [item] == served.post("acme-viewer", "/search", query).json()["items"]

    def test_all_that_was_asked_for_and_nothing_else(self, served: Backend, store: Store) -> None:
        name, at = unique("kinds"), time.time_ns()
        with stream(served, types="traces,metrics") as opened:
            store.logs("acme", now(1, name))
            store.spans("acme", [{"ts": at, "trace_id": "ab" * 16, "span_id": "01" * 8, "name": name}])
            store.samples("acme", "live_metric", [(at, 1.5)])
            found = opened.items(1, "traces") + opened.items(1, "metrics")
        assert [item["content"]["name"] for item in found] == [name, "live_metric"]
        assert {message.get("source") for message in opened.seen} == {None, "traces", "metrics"}

    def test_nothing_of_another_tenant(self, served: Backend, store: Store) -> None:
        name = unique("whose")
        with stream(served, types="logs", free_text=name) as opened:
            store.logs("globex", now(3, name))
            store.logs("acme", now(1, name), "acme-shop")
            assert [item["service"] for item in opened.items(1)] == ["acme-shop"]
        assert sum(len(message.get("items", ())) for message in opened.seen) == 1

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"free_text": "PAID"}, {0, 1}),
            ({"service": "shop"}, {0}),
            ({"service": "shop,depot"}, {0, 1, 2}),
            ({"severity": "error"}, {1}),
            ({"severity": "error,info", "free_text": "paid"}, {0, 1}),
        ],
    )
    def test_filters(self, served: Backend, store: Store, query: dict[str, Any], expected: set[int]) -> None:
        name, at = unique("filter"), time.time_ns()
        lines = [("shop", "order paid", 9), ("depot", "not paid", 17), ("depot", "sent", 13)]
        with stream(served, types="logs", **query) as opened:
            for number, (service, text, severity) in enumerate(lines):
                item = {"ts": at, "body": f"{text} {name}", "severity": severity, "attributes": {"n": number}}
                store.logs("acme", [item], service)
            store.logs("acme", [{"ts": at, "body": f"paid {name}", "severity": 17, "attributes": {"n": 9}}], "shop")
            opened.until(lambda m: any(i["content"]["attributes"].get("n") == 9 for i in m.get("items", ())))
        found = {
            item["content"]["attributes"]["n"]
            for message in opened.seen
            for item in message.get("items", ())
            if name in item["content"]["body"]
        }
        assert found == expected | {9}

    @pytest.mark.parametrize(
        "query", [{"types": "logs,orders"}, {"severity": "loud"}, {"free_text": "x" * 501}, {"cursor": "x"}]
    )
    def test_a_query_without_meaning_is_refused(self, served: Backend, query: dict[str, Any]) -> None:
        with stream(served, hello=False, **query) as opened:
            assert opened.end() == 4400
        assert opened.seen[0]["type"] == "error"


class TestOrder:
    def test_an_old_item_that_arrives_now_is_shown(self, served: Backend, store: Store) -> None:
        name = unique("late")
        with stream(served, types="logs", free_text=name) as opened:
            store.logs("acme", [{"ts": time.time_ns() - 6 * 3600 * SECOND, "body": name}])
            assert bodies(opened.items(1)) == [name]

    def test_a_writer_that_commits_later_than_one_that_began_later_loses_nothing(
        self, served: Backend, store: Store
    ) -> None:
        """The trap of every cursor over ids or times: the earlier transaction becomes visible after the later one."""
        name = unique("slow")
        slow = _Slow(served.config.database.connection("ingest"))
        with stream(served, types="logs", free_text=name) as opened:
            usual, store._writer = store._writer, slow
            store.logs("acme", now(1, f"{name} slow"), name)  # a resource of its own: nobody waits for it
            store._writer = usual
            store.logs("acme", now(1, f"{name} fast"))
            with pytest.raises(TimeoutError):
                opened.receive(1)  # several looks of the poller; it must not pass the writer that is still open
            slow.commit()
            assert sorted(bodies(opened.items(2))) == [f"{name} fast 0", f"{name} slow 0"]
        slow.close()

    def test_a_resumed_stream_has_no_gap_and_no_repeat(self, served: Backend, store: Store) -> None:
        name = unique("resume")
        seen: list[str] = []
        cursor: dict[str, Any] = {}
        for round_ in range(6):
            with stream(served, types="logs", free_text=name, **cursor) as opened:
                store.logs("acme", now(7, f"{name} {round_} online"))
                expected = 7 if round_ == 0 else 14
                seen += bodies(opened.items(expected))
                cursor = {"cursor": opened.cursor}
            store.logs("acme", now(7, f"{name} {round_} offline"))
        online = [f"{name} {r} online {n}" for r in range(6) for n in range(7)]
        offline = [f"{name} {r} offline {n}" for r in range(5) for n in range(7)]
        assert sorted(seen) == sorted(online + offline)

    def test_who_resumes_beside_another_client_gets_nothing_twice(self, served: Backend, store: Store) -> None:
        """What a channel reads for the clients that are there may lie behind what one that comes back has caught up with."""
        name = unique("beside")
        with stream(served, types="logs", free_text=name):
            with stream(served, types="logs", free_text=name) as opened:
                cursor = opened.cursor
            for round_ in range(12):
                store.logs("acme", now(2, f"{name} {round_}"))
                with stream(served, types="logs", free_text=name, cursor=cursor) as again:
                    store.logs("acme", now(1, f"{name} {round_} end"))
                    found: list[str] = []
                    while f"{name} {round_} end 0" not in found:
                        found += bodies(again.items(1))
                    cursor = again.cursor
                assert sorted(found) == [f"{name} {round_} 0", f"{name} {round_} 1", f"{name} {round_} end 0"]

    def test_every_cursor_within_a_large_write_resumes_exactly_there(self, served: Backend, store: Store) -> None:
        name = unique("large")
        with stream(served, types="logs", free_text=name) as opened:
            store.logs("acme", now(1_000, name))
            whole = bodies(opened.items(1_000))
        parts = [message for message in opened.seen if message["type"] == "items"]
        assert len(parts) > 3
        for number in (0, 2, len(parts) - 1):
            rest = whole[sum(len(part["items"]) for part in parts[: number + 1]) :]
            with stream(served, types="logs", free_text=name, cursor=parts[number]["cursor"]) as again:
                store.logs("acme", now(1, f"{name} end {number}"))
                found: list[str] = []
                while f"{name} end {number} 0" not in found:
                    found += bodies(again.items(1))
            assert [body for body in found if " end " not in body] == rest

    def test_a_cursor_of_another_tenant_opens_nothing(self, served: Backend) -> None:
        with stream(served, "globex-viewer") as opened:
            pass
        with stream(served, cursor=opened.cursor, hello=False) as refused:
            assert refused.end() == 4400

    def test_what_is_too_much_to_show_is_counted(self, served: Backend, store: Store) -> None:
        name = unique("flood")
        with stream(served, types="logs") as opened:
            store.logs("acme", now(5_000, name))
            message = opened.until(lambda m: m["type"] == "items" and m["dropped"] > 0)
            shown = len(message["items"])
            while shown + message["dropped"] < 5_000:
                shown += len(opened.until(lambda m: m["type"] == "items")["items"])
        assert shown + message["dropped"] == 5_000
        assert opened.seen[-1]["items"][-1]["content"]["body"] == f"{name} 4999"


class TestAlerts:
    def test_each_change_is_told_with_the_alert_as_it_is_then(self, served: Backend) -> None:
        name = unique("told")

        def told(message: Message) -> bool:
            return message["type"] == "alert" and bool(message["alert"]["labels"]["alertname"] == name)

        with stream(served, types="alerts") as opened:
            alert = fired(served, name)
            first = opened.until(told)["alert"]
            assert first == {key: value for key, value in alert.items() if key != "history"}
            for action, status in (("acknowledge", "acknowledged"), ("resolve", "resolved")):
                act(served, alert["id"], action)
                assert opened.until(told)["alert"]["status"] == status
            deliver(served, sent(name))
            assert opened.until(told)["alert"]["status"] == "active"
            silence(served, named(name))
            assert opened.until(told)["alert"]["status"] == "silenced"

    def test_it_resumes_with_what_changed_meanwhile(self, served: Backend) -> None:
        alert = fired(served)
        with stream(served, types="alerts") as opened:
            pass
        act(served, alert["id"], "resolve")
        with stream(served, types="alerts", cursor=opened.cursor) as again:
            found = again.until(lambda m: m["type"] == "alert" and m["alert"]["id"] == alert["id"])
        assert found["alert"]["status"] == "resolved"

    def test_nothing_of_another_tenant(self, served: Backend) -> None:
        with stream(served, types="alerts") as opened:
            fired(served, tenant="globex")
            mine = fired(served)
            first = opened.until(lambda m: m["type"] == "alert")
        assert first["alert"]["id"] == mine["id"]


class TestSession:
    def test_the_token_may_come_in_the_first_message_with_a_cursor(self, served: Backend, store: Store) -> None:
        name = unique("first")
        with stream(served) as opened:
            pass
        store.logs("acme", now(1, name))
        with stream(served, None, hello=False, types="logs") as again:
            again.say(type="auth", token=served.token("acme-viewer"), cursor=opened.cursor)
            hello = again.receive()
            assert hello is not None and (hello["type"], hello["types"], hello["cursor"] != "") == (
                "hello",
                ["logs"],
                True,
            )
            assert name in again.items(1)[0]["content"]["body"]

    def test_the_server_speaks_the_protocol_that_was_offered(self, served: Backend) -> None:
        with stream(served) as opened:
            assert opened.connection.subprotocol == "observastack.v1"

    @pytest.mark.parametrize("token", ["", "nonsense", "expired", "no message"])
    def test_without_a_good_token_it_ends_with_4401(self, served: Backend, token: str) -> None:
        if token == "no message":
            with stream(served, None, hello=False) as opened:
                opened.say(type="ping")
                assert opened.end() == 4401
            return
        if token == "expired":
            token = Tokens(served.config)("acme", ("viewer",), exp=int(time.time()) - 5)
        with stream(served, None, hello=False) as opened:
            opened.say(type="auth", token=token)
            assert opened.end() == 4401

    @pytest.mark.parametrize("username", ["platform-admin", "acme-agent"])
    def test_who_may_not_see_a_tenants_items_is_refused_with_4403(self, served: Backend, username: str) -> None:
        with stream(served, username, hello=False) as opened:
            assert opened.end() == 4403

    def test_it_warns_before_the_token_expires_and_ends_when_it_has(self, served: Backend) -> None:
        token = Tokens(served.config)("acme", ("viewer",), exp=int(time.time()) + 4)
        with stream(served, token=token) as opened:
            assert opened.until(lambda m: m["type"] == "expiring")["in_s"] <= 4
            began = time.monotonic()
            assert opened.end() == 4401
        assert time.monotonic() - began < 7

    def test_a_new_token_of_the_same_user_lets_it_go_on(self, served: Backend) -> None:
        mint = Tokens(served.config)
        user = {"sub": "00000000-0000-4000-8000-000000000001"}
        with stream(served, token=mint("acme", ("viewer",), exp=int(time.time()) + 3, **user)) as opened:
            opened.until(lambda m: m["type"] == "expiring")
            opened.say(type="auth", token=mint("acme", ("viewer",), **user))
            began = time.monotonic()
            opened.say(type="ping")
            opened.until(lambda m: m["type"] == "pong")
            while time.monotonic() - began < 5:
                opened.say(type="ping")
                opened.until(lambda m: m["type"] == "pong")
                time.sleep(0.2)

    def test_another_users_token_does_not(self, served: Backend) -> None:
        with stream(served) as opened:
            opened.say(type="auth", token=served.token("globex-viewer"))
            assert opened.end() == 4403

    def test_it_ends_with_the_session(self, served: Backend) -> None:
        token = served.login("acme-analyst").json()["access_token"]
        with stream(served, token=token) as opened:
            served.client.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})
            assert opened.end() == 4401

    @pytest.mark.parametrize("text", ["nonsense", "[]", '{"type":"query"}', '{"type":"auth","token":1}'])
    def test_what_is_no_message_of_the_protocol_ends_it_with_4400(self, served: Backend, text: str) -> None:
        with stream(served) as opened:
            opened.connection.send(text)
            assert opened.end() == 4400

    def test_a_message_beyond_all_measure_ends_it(self, served: Backend) -> None:
        with stream(served) as opened:
            opened.connection.send("x" * 20_000)
            assert opened.end() == 1009


class TestProcess:
    @pytest.fixture
    def small(self, served_config: Config, tmp_path: Path) -> Iterator[Backend]:
        """A process of its own that has room for four streams, two of each tenant, and for three who say nothing."""
        document = json.loads(served_config.file.read_text())
        document["backend"]["port"] = free_port()
        document["limits"] = {"stream_connections": 4, "stream_tenant_share": 0.5, "stream_unauthenticated": 3}
        file = tmp_path / "observastack.json"
        file.write_text(json.dumps(document))
        with backend(configuration.load(file, environ={}), tmp_path) as running:
            yield running

    def test_it_has_room_for_so_many_and_an_end_makes_room(self, small: Backend) -> None:
        with stream(small), stream(small, "globex-viewer"), stream(small, "globex-editor"):
            with stream(small, "acme-editor"), stream(small, "initech-viewer", hello=False) as fifth:
                assert fifth.end() == 4429
            until(lambda: _opens(small, "initech-viewer"), "there is room again", 5)

    def test_one_tenant_cannot_take_all_places(self, small: Backend) -> None:
        with stream(small), stream(small, "acme-editor"):
            with stream(small, hello=False) as third:
                assert third.end() == 4429
            assert "of the tenant" in third.seen[0]["message"]
            with stream(small, "globex-viewer"), stream(small, "globex-viewer"):
                pass
        until(lambda: _opens(small, "acme-viewer"), "there is room again", 5)

    def test_those_who_say_nothing_shut_out_nobody(self, small: Backend) -> None:
        token = small.token("globex-viewer")
        with ExitStack() as stack:
            began = time.monotonic()
            silent = [stack.enter_context(stream(small, None, hello=False)) for _ in range(12)]
            with (
                stream(small),
                stream(small, None, hello=False) as late,
            ):  # with the handshake, and in the first message
                late.say(type="auth", token=token)
                hello = late.receive()
                assert hello is not None and hello["type"] == "hello", hello
            assert [one.end() for one in silent[:9]] == [4429] * 9
            assert time.monotonic() - began < 5, "they went before their time was up"
            assert silent[-1].end() == 4401

    def test_an_orderly_end_says_so_and_the_cursor_is_good_at_the_next_process(
        self, small: Backend, served: Backend, store: Store
    ) -> None:
        name = unique("moved")
        with stream(small, types="logs", free_text=name) as opened:
            store.logs("acme", now(1, name))
            opened.items(1)
            small.process.send_signal(signal.SIGTERM)
            assert opened.end() == 1012
        store.logs("acme", now(1, f"{name} meanwhile"))
        assert small.process.wait(10) in (0, -signal.SIGTERM)
        with stream(served, types="logs", free_text=name, cursor=opened.cursor) as again:
            assert bodies(again.items(1)) == [f"{name} meanwhile 0"]

    def test_it_outlives_its_database_and_goes_on_where_it_was(self, tmp_path: Path, redis: str) -> None:
        name = unique("outage")
        with own_postgres() as server:
            config = build_platform(tmp_path, server.url, redis)
            store = Store(config)
            with backend(config, tmp_path) as running, stream(running, types="logs") as opened:
                store.logs("acme", now(1, f"{name} before"))
                opened.items(1)
                server.crash()
                assert opened.until(lambda m: m["type"] == "error")["code"] == "unavailable"
                server.start()
                server.wait()
                store.logs("acme", now(1, f"{name} after"))
                assert bodies(opened.items(1, patience_s=30)) == [f"{name} after 0"]
            store.close()


def _opens(running: Backend, username: str) -> bool:
    with stream(running, username, hello=False) as opened:
        first = opened.receive()
        return first is not None and first["type"] == "hello"


class _Slow(SignalWriter):
    """Writes into a transaction that it leaves open."""

    def write(self, writes: Sequence[Write]) -> None:
        connection = self._connect()
        self._ensure_partitions(connection, writes)
        connection.execute("BEGIN")
        self._insert_dictionaries(connection, writes)
        self._copy(connection, writes)

    def commit(self) -> None:
        self._connect().execute("COMMIT")
