"""Alerts: taken in by the webhook, acted on by people, listed; every step remembered, every act audited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from observastack.tests.backend.alerting import NEVER, act, at, deliver, fired, found, over, read, sent, steps, unique
from observastack.tests.backend.serving import Backend, Store


class TestWebhook:
    def test_a_firing_alert_is_active_with_what_its_labels_and_annotations_say(self, served: Backend) -> None:
        name = unique("HighErrorRate")
        answer = deliver(served, sent(name, starts="2026-11-01T10:00:00.123456789Z"))
        assert answer.json() == {"received": 1, "created": 1, "updated": 0, "ignored": 0}
        (alert,) = found(served, name)
        assert alert | {"id": "", "fingerprint": "", "updated_at": "", "labels": {}} == {
            "id": "", "fingerprint": "", "severity": "critical", "title": f"{name} happened", "source": "alertmanager",
            "service": "shop", "status": "active", "assignee": None, "labels": {},
            "annotations": {"summary": f"{name} happened"}, "starts_at": "2026-11-01T10:00:00.123456000Z",
            "ends_at": None, "acknowledged_at": None, "resolved_at": None, "updated_at": "",
            "generator_url": "http://prometheus.test/graph",
        }  # fmt: skip
        assert alert["labels"]["tenant"] == "acme"
        assert steps(read(served, alert["id"])) == ["fired"]

    def test_a_repeat_changes_nothing_and_other_words_change_the_words_only(self, served: Backend) -> None:
        name = unique("repeat")
        first = sent(name)
        deliver(served, first)
        assert deliver(served, first).json() == {"received": 1, "created": 0, "updated": 0, "ignored": 1}
        answer = deliver(
            served, {**first, "annotations": {"summary": "worse"}, "labels": {**first["labels"], "severity": "warning"}}
        )
        assert answer.json()["updated"] == 1
        (alert,) = found(served, name)
        assert (alert["title"], alert["severity"], alert["status"]) == ("worse", "warning", "active")
        assert steps(read(served, alert["id"])) == ["fired"]

    def test_the_source_ends_an_alert_and_may_fire_it_again_as_new(self, served: Backend) -> None:
        name = unique("again")
        alert = fired(served, name)
        act(served, alert["id"], "acknowledge")
        act(served, alert["id"], "assign", assignee="acme-analyst")
        ended = over(name)
        deliver(served, ended)
        gone = read(served, alert["id"])
        assert gone["status"] == "resolved"
        assert gone["ends_at"][:23] == ended["endsAt"][:23]
        assert gone["resolved_at"] is not None
        deliver(served, sent(name, starts=at()))
        back = read(served, alert["id"])
        assert back["status"] == "active"
        assert [back[key] for key in ("assignee", "acknowledged_at", "resolved_at", "ends_at")] == [None] * 4
        assert back["starts_at"] > alert["starts_at"]
        assert steps(back) == ["fired", "acknowledged", "assigned", "resolved_by_source", "refired"]

    def test_an_end_in_the_year_1_means_that_it_still_fires(self, served: Backend) -> None:
        name = unique("still")
        fired(served, name)
        deliver(served, sent(name, status="resolved", ends=NEVER))
        assert found(served, name)[0]["status"] == "active"

    def test_the_end_of_an_alert_that_was_never_seen_is_ignored(self, served: Backend) -> None:
        name = unique("unseen")
        assert deliver(served, over(name)).json()["ignored"] == 1
        assert found(served, name) == []

    def test_one_fingerprint_is_one_alert_for_each_tenant(self, served: Backend) -> None:
        name = unique("shared")
        mine, theirs = fired(served, name), fired(served, name, tenant="globex")
        assert mine["fingerprint"] == theirs["fingerprint"]
        assert mine["id"] != theirs["id"]
        deliver(served, over(name), tenant="globex")
        assert read(served, mine["id"])["status"] == "active"

    def test_simultaneous_first_deliveries_make_one_alert(self, served: Backend) -> None:
        name = unique("storm")
        body = sent(name)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: deliver(served, body).json(), range(8)))
        assert sum(answer["created"] for answer in answers) == 1
        assert steps(read(served, found(served, name)[0]["id"])) == ["fired"]

    def test_a_label_that_names_another_tenant_is_ignored(self, served: Backend) -> None:
        name = unique("foreign")
        assert deliver(served, sent(name, tenant="globex")).json()["ignored"] == 1
        assert found(served, name) == found(served, name, "globex-viewer") == []

    @pytest.mark.parametrize("token", ["", "no such token", "JWT"])
    def test_only_a_webhook_token_opens_it(self, served: Backend, token: str) -> None:
        name = unique("intruder")
        token = served.token("acme-tenant_admin") if token == "JWT" else token
        answer = deliver(served, sent(name), token=token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")
        assert found(served, name) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "pending"}, {"labels": {"n": 1}}, {"startsAt": "yesterday"}, {"endsAt": "tomorrow"}, {"labels": None},
            {"annotations": {"a": "\0"}}, {"fingerprint": "a b"}, {"labels": {f"l{n}": "" for n in range(65)}},
        ],
    )  # fmt: skip
    def test_what_no_alertmanager_sends_is_refused_whole(self, served: Backend, change: dict[str, Any]) -> None:
        name = unique("good")
        answer = deliver(served, sent(name), {**sent(unique("bad")), **change})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
        assert found(served, name) == []


class TestActions:
    def test_from_active_by_acknowledged_to_resolved(self, served: Backend) -> None:
        alert = fired(served)
        answer = act(served, alert["id"], "acknowledge", note="I look")
        assert answer.json()["status"] == "acknowledged"
        assert answer.json()["acknowledged_at"] is not None
        answer = act(served, alert["id"], "resolve", note="done")
        assert answer.json() == read(served, alert["id"])
        assert answer.json()["status"] == "resolved"
        told = [(step["action"], step["user"], step["note"]) for step in answer.json()["history"]]
        assert told == [
            ("fired", None, None),
            ("acknowledged", "acme-editor", "I look"),
            ("resolved", "acme-editor", "done"),
        ]

    def test_too_late_is_a_conflict_that_says_who_was_faster(self, served: Backend) -> None:
        alert = fired(served)
        act(served, alert["id"], "acknowledge")
        answer = act(served, alert["id"], "acknowledge", "acme-tenant_admin")
        assert (answer.status_code, answer.json()["error"]["message"]) == (409, "already acknowledged by acme-editor")
        act(served, alert["id"], "resolve")
        for action in ("acknowledge", "resolve"):
            answer = act(served, alert["id"], action)
            assert answer.status_code == 409
            assert answer.json()["error"]["message"].startswith("already resolved by acme-editor at 20")
        assert act(served, alert["id"], "assign", assignee=None).status_code == 409
        assert steps(read(served, alert["id"])) == ["fired", "acknowledged", "resolved"]

    def test_acknowledging_what_is_ones_own_already_changes_nothing(self, served: Backend) -> None:
        alert = fired(served)
        first = act(served, alert["id"], "acknowledge").json()
        again = act(served, alert["id"], "acknowledge")
        assert (again.status_code, again.json()) == (200, first)

    @pytest.mark.parametrize("action", ["acknowledge", "resolve"])
    def test_of_two_at_once_one_wins(self, served: Backend, action: str) -> None:
        people = ("acme-editor", "acme-tenant_admin")
        for person in people:
            served.token(person)
        for _ in range(10):
            alert = fired(served)
            with ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda who, one=alert: act(served, one["id"], action, who), people))
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            assert len(steps(read(served, alert["id"]))) == 2

    def test_an_assignee_is_a_user_of_the_tenant_or_nobody(self, served: Backend) -> None:
        alert = fired(served)
        assert act(served, alert["id"], "assign", assignee="acme-viewer").json()["assignee"] == "acme-viewer"
        refused = [
            act(served, alert["id"], "assign", assignee=name)
            for name in ("globex-editor", "nobody-at-all", "disabled", "two-tenants", "platform-admin")
        ]
        assert {answer.status_code for answer in refused} == {422}
        assert len({answer.json()["error"]["message"] for answer in refused}) == 1
        answer = act(served, alert["id"], "assign", assignee=None)
        assert answer.json()["assignee"] is None
        assert [step["note"] for step in answer.json()["history"]] == [None, "to acme-viewer", "to nobody"]

    def test_a_foreign_alert_is_as_one_that_does_not_exist(self, served: Backend) -> None:
        alert = fired(served, tenant="globex")
        missing = "00000000-0000-4000-8000-000000000000"
        bodies: dict[str, dict[str, Any]] = {"acknowledge": {}, "resolve": {}, "assign": {"assignee": None}}
        for action, body in bodies.items():
            answers = [
                served.post("acme-editor", f"/alerts/{one}/{action}", body) for one in (alert["id"], missing, "x")
            ]
            assert {answer.status_code for answer in answers} == {404}
        assert served.get("acme-viewer", f"/alerts/{alert['id']}").status_code == 404
        assert read(served, alert["id"], "globex-viewer") == alert

    @pytest.mark.parametrize("username", ["acme-viewer", "acme-analyst", "acme-agent"])
    def test_who_may_only_read_changes_nothing(self, served: Backend, username: str) -> None:
        alert = fired(served)
        for action, body in (("acknowledge", {}), ("resolve", {}), ("assign", {"assignee": None})):
            assert act(served, alert["id"], action, username, **body).status_code == 403
        assert served.post(username, "/alerts/actions", {"action": "resolve", "ids": [alert["id"]]}).status_code == 403
        assert read(served, alert["id"])["status"] == "active"

    def test_a_platform_admin_has_no_tenants_alerts(self, served: Backend) -> None:
        for path in ("/alerts", "/alerts/statistics", "/alerts/silences"):
            answer = served.get("platform-admin", path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_required")

    def test_a_repeat_with_the_same_key_is_not_done_again(self, served: Backend) -> None:
        alert, key = fired(served), {"Idempotency-Key": unique("key")}
        headers = {"Authorization": f"Bearer {served.token('acme-editor')}", **key}
        path = f"/api/v1/alerts/{alert['id']}/resolve"
        first, again = (served.client.post(path, json={"note": "once"}, headers=headers) for _ in range(2))
        assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
        assert served.client.post(path, json={"note": "twice"}, headers=headers).status_code == 422
        assert steps(read(served, alert["id"])) == ["fired", "resolved"]

    def test_every_act_is_audited_with_who_and_what(self, served: Backend, store: Store) -> None:
        alert = fired(served)
        act(served, alert["id"], "acknowledge", note="mine")
        act(served, alert["id"], "acknowledge")
        act(served, alert["id"], "assign", assignee="acme-viewer")
        act(served, alert["id"], "resolve")
        act(served, alert["id"], "resolve")
        rows = store.sql(
            "SELECT action, username, tenant, success, ip, detail FROM audit_log WHERE resource = %s ORDER BY id",
            alert["id"],
        )
        assert [row[0] for row in rows] == ["alerts.acknowledge", "alerts.assign", "alerts.resolve"]
        assert rows[0][1:] == ("acme-editor", "acme", True, "127.0.0.1", {"note": "mine"})


class TestBulk:
    def test_each_is_judged_alone_in_the_given_order(self, served: Backend) -> None:
        good, done, foreign = fired(served), fired(served), fired(served, tenant="globex")
        act(served, done["id"], "resolve")
        ids = [done["id"], good["id"], foreign["id"], good["id"]]
        answer = served.post("acme-editor", "/alerts/actions", {"action": "resolve", "ids": ids, "note": "all"})
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert [result["id"] for result in results] == ids
        assert [(result["ok"], result["status"]) for result in results] == [
            (False, 409), (True, 200), (False, 404), (False, 409)
        ]  # fmt: skip
        assert (answer.json()["succeeded"], answer.json()["failed"]) == (1, 3)
        assert results[1]["alert"] == read(served, good["id"])
        assert results[0]["alert"] is None and results[0]["message"].startswith("already resolved")
        assert read(served, foreign["id"], "globex-viewer")["status"] == "active"

    def test_assign_and_silence_many(self, served: Backend) -> None:
        alerts = [fired(served) for _ in range(3)]
        ids = [alert["id"] for alert in alerts]
        body: dict[str, Any] = {"action": "assign", "ids": ids, "assignee": "acme-viewer"}
        assert served.post("acme-editor", "/alerts/actions", body).json()["succeeded"] == 3
        body = {"action": "silence", "ids": ids[:2], "duration_s": 600, "note": "known"}
        silenced = served.post("acme-editor", "/alerts/actions", body).json()
        assert [result["alert"]["status"] for result in silenced["results"]] == ["silenced"] * 2
        assert [read(served, one)["status"] for one in ids] == ["silenced", "silenced", "active"]

    @pytest.mark.parametrize(
        "body",
        [
            {"action": "resolve", "ids": []}, {"action": "delete", "ids": ["00000000-0000-4000-8000-000000000000"]},
            {"action": "resolve", "ids": ["x"]}, {"action": "assign", "ids": ["00000000-0000-4000-8000-000000000000"]},
            {"action": "resolve", "ids": ["00000000-0000-4000-8000-000000000000"] * 201},
            {"action": "silence", "ids": ["00000000-0000-4000-8000-000000000000"], "duration_s": 0},
        ],
    )  # fmt: skip
    def test_a_body_of_another_form_is_refused(self, served: Backend, body: dict[str, Any]) -> None:
        assert served.post("acme-editor", "/alerts/actions", body).status_code == 422


class TestListing:
    def test_the_worst_and_newest_first_page_by_page(self, served: Backend) -> None:
        service = unique("paged")
        order = [("critical", 1), ("critical", 2), ("error", 1), ("warning", 1), ("warning", 3), ("info", 2)]
        alerts = [sent(unique("a"), severity=kind, service=service, starts=at(-age)) for kind, age in reversed(order)]
        deliver(served, *alerts)
        seen, cursor, path = [], "", f"/alerts?service={service}&limit=2"
        while True:
            page = served.get("acme-viewer", f"{path}&cursor={cursor}" if cursor else path).json()
            assert page["total"] == 6
            seen += page["items"]
            if (cursor := page["next_cursor"]) is None:
                break
        assert [alert["labels"]["alertname"] for alert in seen] == [
            one["labels"]["alertname"] for one in reversed(alerts)
        ]
        newest = served.get("acme-viewer", f"/alerts?service={service}&sort=-starts_at").json()["items"]
        assert [alert["starts_at"] for alert in newest] == sorted((one["starts_at"] for one in newest), reverse=True)

    def test_filters(self, served: Backend) -> None:
        service = unique("filtered")
        names = [unique(name) for name in ("one", "two", "three")]
        deliver(
            served,
            *(
                sent(name, service=service, severity=kind, zone="eu%1")
                for name, kind in zip(names, ("critical", "error", "info"), strict=True)
            ),
        )
        first, second, third = (found(served, name)[0]["id"] for name in names)
        act(served, first, "acknowledge")
        act(served, second, "assign", assignee="acme-viewer")
        act(served, third, "resolve")

        def ids(query: str) -> set[str]:
            answer = served.get("acme-viewer", f"/alerts?service={service}&{query}").json()
            assert answer["total"] == len(answer["items"])
            return {alert["id"] for alert in answer["items"]}

        assert ids("status=acknowledged") == {first}
        assert ids("status=active,resolved") == {second, third}
        assert ids("severity=error,info") == {second, third}
        assert ids("assignee=acme-viewer") == {second}
        assert ids("assignee=none") == {first, third}
        assert ids(f"q={names[0].upper()}") == {first}
        assert ids("q=EU%251") == {first, second, third}
        assert ids("q=eu_1") == set()

    @pytest.mark.parametrize(
        "query", ["status=open", "severity=bad", "sort=name", "limit=0", "limit=501", "cursor=x", "q=%00"]
    )
    def test_a_filter_without_meaning_is_refused(self, served: Backend, query: str) -> None:
        assert served.get("acme-viewer", f"/alerts?{query}").status_code == 422

    def test_a_cursor_is_good_for_its_query_and_tenant_only(self, served: Backend) -> None:
        service = unique("cursor")
        for tenant in ("acme", "globex"):
            deliver(served, *(sent(unique("c"), service=service) for _ in range(2)), tenant=tenant)
        cursor = served.get("acme-viewer", f"/alerts?service={service}&limit=1").json()["next_cursor"]
        for username, path in (
            ("acme-viewer", f"/alerts?limit=1&cursor={cursor}"),
            ("globex-viewer", f"/alerts?service={service}&limit=1&cursor={cursor}"),
        ):
            answer = served.get(username, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_cursor")

    def test_statistics_move_with_the_alerts(self, served: Backend) -> None:
        def figures() -> dict[str, Any]:
            document: dict[str, Any] = served.get("initech-viewer", "/alerts/statistics").json()
            return document

        before = figures()
        alerts = [fired(served, tenant="initech", severity="error") for _ in range(3)]
        act(served, alerts[0]["id"], "acknowledge", "initech-editor")
        act(served, alerts[1]["id"], "resolve", "initech-editor")
        after = figures()
        grown = {key: after["by_status"][key] - before["by_status"][key] for key in after["by_status"]}
        assert grown == {"active": 1, "acknowledged": 1, "silenced": 0, "resolved": 1}
        assert after["by_severity"]["error"] - before["by_severity"]["error"] == 2
        assert [after[key] - before[key] for key in ("total", "new_15m", "resolved_24h")] == [3, 3, 1]
        assert 59 < after["median_time_to_acknowledge_s"] < 120
