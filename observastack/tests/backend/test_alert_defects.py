"""Each defect of the alerts changes one behaviour, seen through the API: with all of a group on, that one is wrong, and
everything else is as without them. Defects that do not touch each other share a process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.alerting import (
    act,
    at,
    deliver,
    fired,
    found,
    named,
    over,
    read,
    sent,
    silence,
    steps,
    unique,
)
from observastack.tests.backend.serving import Backend, Store, backend
from tests.servers import free_port


def _never_fires(running: Backend) -> bool:
    name = unique("fires")
    assert deliver(running, sent(name)).json()["created"] == 1
    return found(running, name) != []


def _refires(running: Backend) -> bool:
    name = unique("refire")
    deliver(running, sent(name))
    act(running, found(running, name)[0]["id"], "resolve")
    deliver(running, sent(name))
    return bool(found(running, name)[0]["status"] == "active")


def _refire_forgets_the_assignee(running: Backend) -> bool:
    alert = fired(running)
    act(running, alert["id"], "assign", assignee="acme-viewer")
    act(running, alert["id"], "resolve")
    deliver(running, sent(alert["labels"]["alertname"]))
    back = read(running, alert["id"])
    return back["status"] != "active" or back["assignee"] is None


def _source_resolves(running: Backend) -> bool:
    alert = fired(running)
    deliver(running, over(alert["labels"]["alertname"]))
    return bool(read(running, alert["id"])["status"] == "resolved")


def _late_acknowledgement_is_a_conflict(running: Backend) -> bool:
    alert = fired(running)
    act(running, alert["id"], "resolve")
    return act(running, alert["id"], "acknowledge").status_code == 409


def _one_alert_for_each_fingerprint(running: Backend) -> bool:
    name = unique("twice")
    for starts in (at(-20), at(-10)):
        deliver(running, sent(name, starts=starts))
    return len(found(running, name)) == 1


def _acknowledgement_lasts(running: Backend) -> bool:
    alert = fired(running)
    assert act(running, alert["id"], "acknowledge").json()["status"] == "acknowledged"
    return bool(read(running, alert["id"])["status"] == "acknowledged")


def _assignee_is_checked(running: Backend) -> bool:
    return act(running, fired(running)["id"], "assign", assignee="globex-editor").status_code == 422


def _viewers_only_look(running: Backend) -> bool:
    return act(running, fired(running)["id"], "resolve", "acme-viewer").status_code == 403


def _list_is_of_one_tenant(running: Backend) -> bool:
    name = unique("foreign")
    deliver(running, sent(name), tenant="globex")
    return found(running, name) == []


def _history_is_kept(running: Backend) -> bool:
    alert = fired(running)
    act(running, alert["id"], "resolve")
    return steps(read(running, alert["id"])) == ["fired", "resolved"]


def _silence_is_of_one_tenant(running: Backend) -> bool:
    name = unique("both")
    theirs = fired(running, name, tenant="globex")
    silence(running, named(name))
    return bool(read(running, theirs["id"], "globex-viewer")["status"] == "active")


def _silence_ends(running: Backend) -> bool:
    alert = fired(running)
    made = silence(running, named(alert["labels"]["alertname"])).json()["id"]
    running.call("acme-editor", "DELETE", f"/alerts/silences/{made}")
    return bool(read(running, alert["id"])["status"] == "active")


def _pattern_fits_the_whole_value(running: Backend) -> bool:
    name = unique("anchored")
    fired(running, f"{name}-longer")
    return bool(silence(running, {**named(name), "is_regex": True}).json()["matched"] == 0)


def _webhook_needs_a_token(running: Backend) -> bool:
    return deliver(running, sent(unique("open"), tenant="acme"), token="").status_code == 401


def _bulk_tells_failures(running: Backend) -> bool:
    alert = fired(running)
    act(running, alert["id"], "resolve")
    answer = running.post("acme-editor", "/alerts/actions", {"action": "resolve", "ids": [alert["id"]]}).json()
    return bool(answer["failed"] == 1)


def _repeats_are_recognised(running: Backend) -> bool:
    headers = {"Authorization": f"Bearer {running.token('acme-editor')}", "Idempotency-Key": unique("key")}
    body = {"matchers": [named(unique("key"))], "ends_at": at(60), "comment": "c"}
    first, again = (running.client.post("/api/v1/alerts/silences", json=body, headers=headers) for _ in range(2))
    return bool(first.json()["id"] == again.json()["id"])


CHECKS: dict[str, Callable[[Backend], bool]] = {
    "alert_never_fires": _never_fires,
    "alert_refire_ignored": _refires,
    "alert_refire_keeps_assignee": _refire_forgets_the_assignee,
    "alert_resolve_lost": _source_resolves,
    "alert_ack_resolved_ok": _late_acknowledgement_is_a_conflict,
    "alert_duplicate_fingerprint": _one_alert_for_each_fingerprint,
    "alert_ack_noop": _acknowledgement_lasts,
    "assign_unchecked": _assignee_is_checked,
    "no_rbac_alerts": _viewers_only_look,
    "alert_list_leak": _list_is_of_one_tenant,
    "history_lost": _history_is_kept,
    "silence_without_tenant": _silence_is_of_one_tenant,
    "silence_never_ends": _silence_ends,
    "silence_regex_unanchored": _pattern_fits_the_whole_value,
    "webhook_no_auth": _webhook_needs_a_token,
    "bulk_all_or_nothing_lies": _bulk_tells_failures,
    "idempotency_key_ignored": _repeats_are_recognised,
}
GROUPS = (
    {"alert_ack_resolved_ok", "alert_resolve_lost", "assign_unchecked", "no_rbac_alerts", "history_lost",
     "silence_never_ends", "alert_refire_keeps_assignee", "webhook_no_auth"},
    {"alert_list_leak", "alert_refire_ignored", "alert_ack_noop", "silence_without_tenant", "silence_regex_unanchored",
     "bulk_all_or_nothing_lies", "idempotency_key_ignored", "alert_audit_missing"},
    {"alert_never_fires"},
    {"alert_duplicate_fingerprint"},
)  # fmt: skip


@pytest.fixture(scope="module", params=GROUPS, ids=min)
def defective(
    request: pytest.FixtureRequest, served_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[set[str], Backend]]:
    folder = tmp_path_factory.mktemp("alert-defects")
    document = json.loads(served_config.file.read_text())
    document["backend"]["port"] = free_port()
    file: Path = folder / "observastack.json"
    file.write_text(json.dumps(document))
    with backend(configuration.load(file, environ={}), folder, defects=",".join(request.param)) as running:
        yield request.param, running


def test_exactly_what_the_defects_name_is_wrong(defective: tuple[set[str], Backend]) -> None:
    names, running = defective
    # Without any alert, or with several for each delivery, the other checks have nothing to look at.
    alone = names & {"alert_never_fires", "alert_duplicate_fingerprint"}
    checks = {name: check for name, check in CHECKS.items() if not alone or name in names}
    wrong = {name for name, check in checks.items() if not check(running)}
    assert wrong == names - {"alert_audit_missing"}


@pytest.mark.parametrize("name", CHECKS)
def test_without_defects_nothing_is_wrong(served: Backend, name: str) -> None:
    assert CHECKS[name](served)


def test_alert_audit_missing(defective: tuple[set[str], Backend], store: Store) -> None:
    names, running = defective
    if names & {"alert_never_fires", "alert_duplicate_fingerprint"}:
        pytest.skip("this process has no alert to act on")
    alert = fired(running)
    act(running, alert["id"], "resolve")
    rows = store.sql("SELECT action FROM audit_log WHERE resource = %s", alert["id"])
    assert rows == ([] if "alert_audit_missing" in names else [("alerts.resolve",)])
