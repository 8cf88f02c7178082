"""Silences: of one tenant, for a time; and what they do to alerts."""

from __future__ import annotations

from typing import Any

import pytest

from observastack.tests.backend.alerting import (
    act,
    at,
    deliver,
    fired,
    found,
    named,
    read,
    sent,
    silence,
    steps,
    unique,
)
from observastack.tests.backend.serving import Backend, Store, until


def test_an_alert_is_silenced_while_the_silence_holds_and_is_then_what_it_was(served: Backend) -> None:
    plain, taken = fired(served), fired(served)
    act(served, taken["id"], "acknowledge")
    made = [silence(served, named(one["labels"]["alertname"])).json() for one in (plain, taken)]
    assert [one["matched"] for one in made] == [1, 1]
    assert [read(served, one["id"])["status"] for one in (plain, taken)] == ["silenced", "silenced"]
    for one in made:
        assert served.call("acme-editor", "DELETE", f"/alerts/silences/{one['id']}").status_code == 204
    assert read(served, plain["id"])["status"] == "active"
    back = read(served, taken["id"])
    assert back["status"] == "acknowledged"
    assert steps(back) == ["fired", "acknowledged", "silenced", "unsilenced"]


def test_it_begins_and_ends_by_the_clock_alone(served: Backend, store: Store) -> None:
    alert = fired(served)
    made = silence(served, named(alert["labels"]["alertname"]), starts_at=at(0.7), ends_at=at(1.6)).json()
    assert made["state"] == "pending"
    assert read(served, alert["id"])["status"] == "active"

    def status() -> Any:
        # As it is stored: nobody has asked the platform, so nothing but its clock can have changed it.
        return store.sql("SELECT status FROM alerts WHERE id = %s", alert["id"])[0][0]

    until(lambda: status() == "silenced", "the silence begins", 5)
    assert served.get("acme-viewer", f"/alerts/silences/{made['id']}").json()["state"] == "active"
    until(lambda: status() == "active", "the silence ends", 5)
    assert served.get("acme-viewer", f"/alerts/silences/{made['id']}").json()["state"] == "expired"
    assert steps(read(served, alert["id"])) == ["fired", "silenced", "unsilenced"]


def test_a_reader_never_sees_a_silence_that_has_ended(served: Backend) -> None:
    alert = fired(served)
    silence(served, named(alert["labels"]["alertname"]), ends_at=(end := at(0.4)))
    until(lambda: at() > end, "the end has come", 5)
    assert read(served, alert["id"])["status"] == "active"


def test_an_alert_that_fires_under_a_silence_is_silenced_at_once(served: Backend) -> None:
    name = unique("later")
    silence(served, named(name))
    assert fired(served, name)["status"] == "silenced"
    act(served, found(served, name)[0]["id"], "resolve")
    deliver(served, sent(name))
    assert found(served, name)[0]["status"] == "silenced"


def test_people_can_act_on_what_is_silenced(served: Backend) -> None:
    alert = fired(served)
    made = silence(served, named(alert["labels"]["alertname"])).json()
    acknowledged = act(served, alert["id"], "acknowledge").json()
    assert (acknowledged["status"], acknowledged["acknowledged_at"] is None) == ("silenced", False)
    served.call("acme-editor", "DELETE", f"/alerts/silences/{made['id']}")
    assert read(served, alert["id"])["status"] == "acknowledged"
    silence(served, named(alert["labels"]["alertname"]))
    assert act(served, alert["id"], "resolve").json()["status"] == "resolved"


def test_two_silences_both_have_to_end(served: Backend) -> None:
    alert = fired(served)
    first, second = (silence(served, named(alert["labels"]["alertname"])).json()["id"] for _ in range(2))
    served.call("acme-editor", "DELETE", f"/alerts/silences/{first}")
    assert read(served, alert["id"])["status"] == "silenced"
    served.call("acme-editor", "DELETE", f"/alerts/silences/{second}")
    assert read(served, alert["id"])["status"] == "active"


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ({"value": "shop-a"}, {"shop-a"}),
        ({"value": "shop-a", "is_equal": False}, {"shop-ab", "depot"}),
        ({"value": "shop-.", "is_regex": True}, {"shop-a"}),
        ({"value": "(?i)SHOP-.*", "is_regex": True}, {"shop-a", "shop-ab"}),
        ({"value": "shop-.*", "is_regex": True, "is_equal": False}, {"depot"}),
    ],
)
def test_matchers_mean_what_they_mean_in_alertmanager(
    served: Backend, matcher: dict[str, Any], expected: set[str]
) -> None:
    group = unique("group")
    deliver(served, *(sent(unique("m"), shop=shop, group=group) for shop in ("shop-a", "shop-ab", "depot")))
    made = silence(served, {"name": "group", "value": group}, {"name": "shop", **matcher})
    assert made.json()["matched"] == len(expected)
    items = served.get("acme-viewer", f"/alerts?q={group}").json()["items"]
    assert {one["labels"]["shop"] for one in items if one["status"] == "silenced"} == expected


def test_it_holds_for_its_tenant_only(served: Backend) -> None:
    name = unique("everywhere")
    mine, theirs = fired(served, name), fired(served, name, tenant="globex")
    made = silence(served, named(name)).json()
    assert made["matchers"][0] == {"name": "tenant", "value": "acme", "is_regex": False, "is_equal": True}
    assert read(served, mine["id"])["status"] == "silenced"
    assert read(served, theirs["id"], "globex-viewer")["status"] == "active"
    for method, body in (
        ("GET", None),
        ("PUT", {"matchers": [named(name)], "ends_at": at(60), "comment": "x"}),
        ("DELETE", None),
    ):
        assert served.call("globex-editor", method, f"/alerts/silences/{made['id']}", json=body).status_code == 404
    assert made["id"] not in {one["id"] for one in served.get("globex-viewer", "/alerts/silences").json()["items"]}


def test_a_change_applies_at_once_and_an_ended_one_cannot_be_changed(served: Backend) -> None:
    one, other = fired(served), fired(served)
    made = silence(served, named(one["labels"]["alertname"])).json()
    body = {"matchers": [named(other["labels"]["alertname"])], "ends_at": at(0.5), "comment": "the other"}
    changed = served.call("acme-editor", "PUT", f"/alerts/silences/{made['id']}", json=body)
    assert (changed.status_code, changed.json()["comment"], changed.json()["id"]) == (200, "the other", made["id"])
    assert [read(served, alert["id"])["status"] for alert in (one, other)] == ["active", "silenced"]
    path = f"/alerts/silences/{made['id']}"
    until(lambda: served.get("acme-viewer", path).json()["state"] == "expired", "it has ended", 5)
    again = served.call("acme-editor", "PUT", path, json={**body, "ends_at": at(60)})
    assert again.status_code == 409


def test_the_list_knows_their_states(served: Backend) -> None:
    pending = silence(served, named(unique("p")), starts_at=at(600), ends_at=at(900)).json()["id"]
    active = silence(served, named(unique("a"))).json()["id"]
    deleted = silence(served, named(unique("d"))).json()["id"]
    served.call("acme-editor", "DELETE", f"/alerts/silences/{deleted}")

    def ids(query: str = "") -> list[str]:
        return [one["id"] for one in served.get("acme-viewer", f"/alerts/silences{query}").json()["items"]]

    assert ids()[:2] == [active, pending]
    assert pending in ids("?state=pending") and active not in ids("?state=pending")
    assert active in ids("?state=active") and pending not in ids("?state=active")
    assert deleted not in ids()
    assert served.get("acme-viewer", "/alerts/silences?state=deleted").status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"matchers": []},
        {"matchers": [{"name": "tenant", "value": "acme"}]},
        {"matchers": [{"name": "tenant", "value": "globex"}, named("x")]},
        {"matchers": [{"name": "tenant", "value": ".*", "is_regex": True}, named("x")]},
        {"matchers": [{"name": "alertname", "value": ".*", "is_regex": True}]},
        {"matchers": [{"name": "alertname", "value": "", "is_equal": True}]},
        {"matchers": [{"name": "alertname", "value": "x", "is_equal": False}]},
        {"matchers": [{"name": "alertname", "value": "(", "is_regex": True}]},
        {"matchers": [{"name": "alertname", "value": "(a)\\1", "is_regex": True}]},
        {"matchers": [{"name": "alert-name", "value": "x"}]},
        {"ends_at": at(-1)},
        {"starts_at": at(7200)},
        {"ends_at": "soon"},
        {"comment": ""},
        {"created_by": "somebody"},
    ],
)
def test_a_silence_that_says_nothing_or_too_much_is_refused(served: Backend, change: dict[str, Any]) -> None:
    body = {"matchers": [named("x")], "ends_at": at(3600), "comment": "c", **change}
    assert served.post("acme-editor", "/alerts/silences", body).status_code == 422


def test_the_own_tenants_matcher_may_be_sent_along(served: Backend) -> None:
    name = unique("own")
    made = silence(served, {"name": "tenant", "value": "acme"}, named(name))
    assert made.status_code == 201
    assert [one["name"] for one in made.json()["matchers"]] == ["tenant", "alertname"]


def test_a_hostile_pattern_costs_nothing(served: Backend) -> None:
    name = unique("hostile")
    fired(served, name, text="a" * 3_000)
    answer = silence(served, named(name), {"name": "text", "value": "(a|aa|a*)*b", "is_regex": True})
    assert answer.status_code == 201
    assert answer.elapsed.total_seconds() < 2
    assert answer.json()["matched"] == 0


def test_who_may_only_read_makes_and_ends_none(served: Backend) -> None:
    made = silence(served, named(unique("kept"))).json()["id"]
    for username in ("acme-viewer", "acme-analyst"):
        assert silence(served, named("x"), username=username).status_code == 403
        assert served.call(username, "DELETE", f"/alerts/silences/{made}").status_code == 403
        assert served.get(username, f"/alerts/silences/{made}").status_code == 200


def test_every_change_is_audited(served: Backend, store: Store) -> None:
    made = silence(served, named(unique("audited"))).json()["id"]
    body = {"matchers": [named("x")], "ends_at": at(60), "comment": "other"}
    served.call("acme-editor", "PUT", f"/alerts/silences/{made}", json=body)
    served.call("acme-editor", "DELETE", f"/alerts/silences/{made}")
    rows = store.sql("SELECT action, username, tenant FROM audit_log WHERE resource = %s ORDER BY id", made)
    assert rows == [(f"silences.{verb}", "acme-editor", "acme") for verb in ("create", "replace", "delete")]


def test_silencing_an_alert_of_many_labels_silences_no_other(served: Backend) -> None:
    labels = {f"l{number}": "same" for number in range(25)}
    one, other = fired(served, **labels), fired(served, **labels)
    body = {"action": "silence", "ids": [one["id"]], "duration_s": 600}
    (result,) = served.post("acme-editor", "/alerts/actions", body).json()["results"]
    assert (result["ok"], result["alert"]["status"]) == (True, "silenced")
    assert read(served, other["id"])["status"] == "active"


def test_an_alert_whose_labels_no_matcher_can_have_is_refused(served: Backend) -> None:
    for labels in ({"long": "x" * 2_000}, {"not.a.name": "x"}):
        alert = fired(served, **labels)
        body = {"action": "silence", "ids": [alert["id"]], "duration_s": 600}
        (result,) = served.post("acme-editor", "/alerts/actions", body).json()["results"]
        assert (result["ok"], result["status"]) == (False, 422)
        assert read(served, alert["id"])["status"] == "active"
