"""The events of a coordinator: the campaign's own row and those of its stages."""

from __future__ import annotations

import uuid
from typing import Any

from runners.events import Event
from runners.results.mapping import Reducer
from runners.results.rows import document, moment, text

STATES = (
    "queued", "starting", "running", "finishing", "cancelling",
    "finished", "cancelled", "timed_out", "lost", "error", "skipped",
)  # fmt: skip
VERDICTS = ("passed", "failed", "invalid", None)
_NAMESPACE = uuid.UUID("5f0f4b6e-6a5c-4a43-9df2-0d7b0c7c2a11")


def stage_id(campaign: str, stage: str, run: str | None) -> str:
    """The run id of a stage; one derived from the campaign's for a stage that never got its own."""
    return run or str(uuid.uuid5(_NAMESPACE, f"{campaign}/{stage}"))


class CampaignReducer(Reducer):
    """Adds states, verdicts and gates. All of them come from the campaign's file, so a stage's row has one truth."""

    def __init__(self, run: str) -> None:
        super().__init__(run, run, "")
        self.started_at: float | None = None
        self.stages: dict[str, dict[str, Any]] = {}
        self.environment: str | None = None
        self.name: str | None = None
        self.gates: list[dict[str, Any]] = []
        self._handlers |= {
            "run.started": self._campaign_started, "run.finished": self._campaign_finished,
            "cancelling": self._cancelling, "gate": self._gate, "stage.starting": self._stage_starting,
            "stage.started": self._stage_started, "stage.finished": self._stage_finished,
        }  # fmt: skip

    def dump(self) -> dict[str, Any]:
        return super().dump() | {
            "started_at": self.started_at, "stages": self.stages, "environment": self.environment, "name": self.name,
            "gates": self.gates,
        }  # fmt: skip

    def load(self, saved: dict[str, Any]) -> None:
        super().load(saved)
        self.started_at, self.stages, self.gates = saved["started_at"], saved["stages"], saved["gates"]
        self.environment, self.name = saved["environment"], saved["name"]

    def _campaign_started(self, event: Event) -> None:
        at = moment(event["ts"])
        self.started_at, self.name, self.environment = at, text(event.get("campaign")), text(event.get("environment"))
        seed = event.get("seed")
        config = {key: event[key] for key in ("config", "stages", "gates", "defects", "description") if key in event}
        self.gates = [{"expr": text(expr)} for expr in event.get("gates") or []]
        self.changed = True
        self._rows.execution(
            self.run, campaign=self.name, environment=self.environment, state="running", started_at=at,
            seed=seed if isinstance(seed, int) and abs(seed) < 1 << 63 else None, commit_id=text(event.get("commit")),
            config=document(config), gates=document(self.gates),
        )  # fmt: skip
        if self.environment:
            self._rows.environment(self.environment, at)
        for position, stage in enumerate(event.get("stages") or []):
            name = str(stage["name"])
            run = stage_id(self.run, name, stage.get("run"))
            self.stages[name] = {
                "run": run,
                "suite": text(stage.get("suite")),
                "position": position,
                "started_at": None,
            }
            self._stage_row(name, run, state="queued")

    def _stage_row(self, name: str, run: str, **columns: Any) -> None:
        known = self.stages.setdefault(
            name, {"run": run, "suite": None, "position": len(self.stages), "started_at": None}
        )
        self._rows.execution(
            run, parent_id=self.run, campaign=self.name, stage=text(name), suite=known["suite"],
            position=known["position"], environment=self.environment, **columns,
        )  # fmt: skip

    def _stage_run(self, event: Event) -> tuple[str, str]:
        name = event["stage_name"]
        known = self.stages.get(name, {}).get("run")
        return name, stage_id(self.run, name, event.get("run_id") or known)

    def _stage_starting(self, event: Event) -> None:
        name, run = self._stage_run(event)
        at = moment(event["ts"])
        self._stage_row(name, run, state="starting", started_at=at)
        self.stages[name] |= {"run": run, "started_at": at}
        self.changed = True

    def _stage_started(self, event: Event) -> None:
        name, run = self._stage_run(event)
        self._stage_row(name, run, state="running")

    def _stage_finished(self, event: Event) -> None:
        name, run = self._stage_run(event)
        state, verdict, at = _state(event), _verdict(event), moment(event["ts"])
        began = self.stages.get(name, {}).get("started_at")
        self._stage_row(
            name, run, state=state, verdict=verdict, reason=text(event.get("reason")),
            finished_at=None if began is None else at, duration_s=0.0 if began is None else max(0.0, at - began),
        )  # fmt: skip
        self.changed = True

    def _cancelling(self, _: Event) -> None:
        self._rows.execution(self.run, state="cancelling")

    def _gate(self, event: Event) -> None:
        told = {key: event.get(key) for key in ("expr", "value", "verdict", "reason")}
        if told["verdict"] not in VERDICTS or not isinstance(told["expr"], str):
            raise ValueError("not a gate")
        for position, gate in enumerate(self.gates):
            if gate["expr"] == told["expr"]:
                self.gates[position] = told
                break
        else:
            self.gates.append(told)
        self.changed = True
        self._rows.execution(self.run, gates=document(self.gates))

    def _campaign_finished(self, event: Event) -> None:
        at, state, verdict = moment(event["ts"]), _state(event), _verdict(event)
        began = self.started_at if self.started_at is not None else at
        self._rows.execution(
            self.run, state=state, verdict=verdict, reason=text(event.get("reason")), finished_at=at,
            duration_s=max(0.0, at - began),
        )  # fmt: skip
        if self.environment:
            self._rows.environment(self.environment, at)


def _state(event: Event) -> str:
    state = event.get("state", "finished")
    if state not in STATES:
        raise ValueError("not a state")
    return str(state)


def _verdict(event: Event) -> str | None:
    verdict = event.get("verdict")
    if verdict not in VERDICTS:
        raise ValueError("not a verdict")
    return None if verdict is None else str(verdict)
