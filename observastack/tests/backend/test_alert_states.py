"""The life of an alert under any sequence of acts: what the API says is what a model of five lines says."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from observastack.tests.backend.alerting import act, deliver, found, named, over, read, sent, silence, steps, unique
from observastack.tests.backend.serving import Backend

ACTS = ("fire", "end", "acknowledge", "acknowledge by another", "resolve", "assign", "silence", "unsilence")


class Model:
    """status without silences, who acknowledged, the assignee, silences in force, the history as it must be."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.by: str | None = None
        self.assignee: str | None = None
        self.silences = 0
        self.history: list[str] = []

    @property
    def shown(self) -> str | None:
        return "silenced" if self.silences and self.status in ("active", "acknowledged") else self.status

    def step(self, name: str) -> int | None:
        """Apply an act; the status that the API must answer, None for what the source does."""
        before = self.shown
        answer = self._apply(name)
        if self.shown == "silenced" != before:
            self.history.append("silenced")
        elif before == "silenced" and self.shown in ("active", "acknowledged"):
            self.history.append("unsilenced")
        return answer

    def _apply(self, name: str) -> int | None:
        match name:
            case "fire":
                if self.status in (None, "resolved"):
                    self.history.append("fired" if self.status is None else "refired")
                    self.status, self.by, self.assignee = "active", None, None
                return None
            case "end":
                if self.status not in (None, "resolved"):
                    self.status = "resolved"
                    self.history.append("resolved_by_source")
                return None
            case "silence":
                self.silences += 1
                return None
            case "unsilence":
                self.silences = max(self.silences - 1, 0)
                return None
            case "acknowledge" | "acknowledge by another":
                who = "acme-editor" if name == "acknowledge" else "acme-tenant_admin"
                if self.status == "resolved" or (self.by is not None and self.by != who):
                    return 409
                if self.by is None:
                    self.status, self.by = "acknowledged", who
                    self.history.append("acknowledged")
                return 200
            case _:
                if self.status == "resolved":
                    return 409
                if name == "resolve":
                    self.status = "resolved"
                    self.history.append("resolved")
                else:
                    self.assignee = "acme-viewer"
                    self.history.append("assigned")
                return 200


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(ACTS), min_size=1, max_size=10))
def test_any_sequence_of_acts(served: Backend, acts: list[str]) -> None:
    name, model, made = unique("states"), Model(), list[str]()
    deliver(served, first := sent(name))
    model.step("fire")
    alert_id = found(served, name)[0]["id"]
    for one in acts:
        expected = model.step(one)
        answer = deliver(served, first) if one == "fire" else _do(served, one, name, alert_id, made)
        assert expected is None or answer.status_code == expected, (acts, one, answer.text)
        alert = read(served, alert_id)
        assert (alert["status"], alert["assignee"]) == (model.shown, model.assignee), (acts, one)
    assert steps(read(served, alert_id)) == model.history, acts
    for silence_id in made:
        served.call("acme-editor", "DELETE", f"/alerts/silences/{silence_id}")


def _do(served: Backend, one: str, name: str, alert_id: str, made: list[str]) -> Any:
    match one:
        case "end":
            return deliver(served, over(name))
        case "silence":
            made.append(silence(served, named(name)).json()["id"])
            return None
        case "unsilence":
            return served.call("acme-editor", "DELETE", f"/alerts/silences/{made.pop()}") if made else None
        case "acknowledge by another":
            return act(served, alert_id, "acknowledge", "acme-tenant_admin")
        case "assign":
            return act(served, alert_id, "assign", assignee="acme-viewer")
        case _:
            return act(served, alert_id, one)
