"""One stage in its campaign: started when the graph says so, watched, ended, tried again where that is allowed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from runners.events import Event
from runners.lib import proc
from runners.lib.home import Environment, Home
from runners.orchestrator.attempt import HUNG_S, Attempt
from runners.orchestrator.crashpoints import point
from runners.orchestrator.dag import Host, Outcome, Skip, Start, decide, is_broken
from runners.orchestrator.settle import Settlement, unreported
from runners.orchestrator.spec import CampaignSpec, StageSpec
from runners.orchestrator.verdicts import Ending, judge_stage

MOST_LAUNCHES = 5


class Say(Protocol):
    """Write an event of the campaign, once."""

    def __call__(self, type_: str, *, sync: bool = False, **fields: Any) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What a stage needs of its campaign.

    said: events by type and attempt, gate or fault. written: is all that was said in the file?
    """

    home: Home
    spec: CampaignSpec
    environment: Environment
    said: Mapping[tuple[str, str | None], Event]
    say: Say
    written: Callable[[], bool]


class Stage:
    """outcome: None until it has ended. attempt: the run that counts, the last one."""

    def __init__(self, spec: StageSpec, around: Surroundings) -> None:
        self.spec, self.around = spec, around
        self.name = spec.name
        self.outcome: Outcome | None = None
        self.live = False
        ends = [end for run in spec.runs if (end := around.said.get(("stage.finished", run)))]
        self._tries = sum(bool(end.get("retry")) for end in ends)
        self.attempt = self._attempt()
        self._settlement: Settlement | None = None
        self._launches = 0
        if ends and not ends[-1].get("retry"):
            end = ends[-1]
            ending = Ending(end["state"], end["verdict"], end["reason"], spec.optional)
            self.outcome = Outcome(ending, bool(end.get("broken")))

    @property
    def _starting(self) -> Event | None:
        """What was said when this attempt was started."""
        return self.around.said.get(("stage.starting", self.attempt.run))

    def _attempt(self) -> Attempt:
        return Attempt(self.around.home.run(self.spec.runs[self._tries]), self.name)

    @property
    def was_started(self) -> bool:
        return self._starting is not None

    def read(self) -> None:
        self.attempt.read()

    def step(self, stages: Mapping[str, Stage], request: Mapping[str, Any] | None) -> None:
        """One look, one act at most. request: of the user or of the time limit: `{grace, reason}`."""
        starting = self._starting
        foreign = starting is not None and starting["boot"] != proc.boot_id()
        match self.attempt.standing(foreign_boot=foreign):
            case "absent":
                self._consider(stages, request)
            case "live":
                self._watch(stages, request)
            case "dead":
                self.live = False
                self.attempt.repair()
            case "over":
                self.live = False
                self._finish(request)

    # -- before

    def _consider(self, stages: Mapping[str, Stage], request: Mapping[str, Any] | None) -> None:
        if request is not None:
            if request["reason"] == "timed_out":
                self._end(Ending("skipped", "invalid", "the campaign's time was up"))
            else:
                self._end(Ending("cancelled", None, "cancelled before it started"))
            return
        host = stages.get(self.spec.during or "")
        ended = {name: stage.outcome for name, stage in stages.items() if stage.outcome}
        decision = decide(
            self.spec,
            ended,
            critical={
                name: outcome.ending.verdict == "passed"
                for name, outcome in ended.items()
                if stages[name].spec.critical
            },
            host=Host(host.live, host.attempt.facts.steady_ns) if host else None,
            now_ns=time.monotonic_ns(),
        )
        if isinstance(decision, Skip):
            self._end(Ending("skipped", "invalid", decision.reason), broken=decision.broken)
        elif isinstance(decision, Start) and self._launches >= MOST_LAUNCHES:
            self.give_up(f"its supervisor does not start: {self.attempt.last_words()}")
        elif isinstance(decision, Start):
            self._start(stages)

    def _start(self, stages: Mapping[str, Stage]) -> None:
        self.attempt.prepare(self._document(stages))
        self.around.say(
            "stage.starting", stage_name=self.name, run_id=self.attempt.run, boot=proc.boot_id(),
            attempt=self._tries + 1, sync=True,
        )  # fmt: skip
        if not self.around.written():
            return  # nothing may start that a successor would not know of
        point("start:said")
        self._launches += 1
        self.attempt.start()

    def _document(self, stages: Mapping[str, Stage]) -> dict[str, Any]:
        """spec.json of the stage run."""
        stage, campaign = self.spec, self.around.spec
        params = dict(stage.params)
        if stage.of is not None:
            source = stages[stage.of].attempt
            params["of"] = {"stage": stage.of, "run": source.run, "folder": str(source.folder)}
        return {
            "v": 1, "id": self.attempt.run, "campaign_run": campaign.id, "campaign": campaign.campaign,
            "stage": stage.name, "suite": stage.suite, "action": stage.action, "module": stage.module,
            "home": str(self.around.home.root), "environment": campaign.environment, "seed": campaign.seed,
            "timeout_s": stage.timeout_s, "grace_s": stage.grace_s, "stop_s": stage.stop_s, "params": params,
        }  # fmt: skip

    # -- while it lives

    def _watch(self, stages: Mapping[str, Stage], request: Mapping[str, Any] | None) -> None:
        self.live = True
        if self.attempt.up:
            self.around.say("stage.started", stage_name=self.name, run_id=self.attempt.run)
        if request is not None:
            self.attempt.ask_to_end(float(request["grace"]), request["reason"])
        elif self._shall_stop(stages):
            self.attempt.ask_to_stop(self.spec.stop_s + 2 * self.spec.grace_s)
        elif self._overdue():
            self.attempt.kill()

    def _shall_stop(self, stages: Mapping[str, Stage]) -> bool:
        host = stages.get(self.spec.during or "")
        if host is not None and host.outcome is not None:
            return True
        return any(
            stage.spec.critical and stage.outcome is not None and stage.outcome.ending.verdict != "passed"
            for stage in stages.values()
            if stage is not self
        )

    def _overdue(self) -> bool:
        """The shim keeps the stage's time limit; one that is stopped or hung cannot."""
        starting = self._starting
        if starting is None:
            return False
        limit = self.spec.timeout_s + self.spec.grace_s + 2 * HUNG_S
        return time.monotonic_ns() > int(starting["mono_ns"]) + limit * 1e9

    # -- after

    def _finish(self, request: Mapping[str, Any] | None) -> None:
        """Over: nobody of it lives, its faults are settled, its events are read to the end."""
        self.attempt.sweep()
        if self._settlement is None:
            self._settlement = Settlement(self.around.environment, self.attempt.run)
        if not self._settlement.step():
            return
        self.attempt.read()
        for type_, fields in unreported(self._settlement.records, self.attempt.facts):
            self.around.say(type_, **fields)
        point("end:before")
        ending = judge_stage(self.attempt.exit_file(), self.attempt.facts)
        if self._settlement.problem is not None:
            ending = Ending("error", "invalid", self._settlement.problem)
        self.attempt.release()
        if request is None and ending.verdict != "passed" and self._tries + 1 < len(self.spec.runs):
            self._retry(ending)
        else:
            self._end(ending, broken=is_broken(ending))
        point("end:after")

    def _retry(self, ending: Ending) -> None:
        """Every attempt is kept and reported; the next one counts."""
        self._tell_end(ending, retry=True)
        self._tries += 1
        self._launches = 0
        self.attempt = self._attempt()
        self._settlement = None

    def _end(self, ending: Ending, *, broken: bool = False) -> None:
        self.live = False
        self.outcome = Outcome(replace(ending, optional=self.spec.optional), broken)
        self._tell_end(ending, broken=broken)

    def give_up(self, reason: str) -> None:
        """It cannot be run, or its end cannot be written down, whatever is tried."""
        self.attempt.release()
        self._end(Ending("error", "invalid", reason), broken=True)

    def _tell_end(self, ending: Ending, **more: bool) -> None:
        self.around.say(
            "stage.finished", stage_name=self.name, run_id=self.attempt.run, state=ending.state,
            verdict=ending.verdict, reason=ending.reason, attempt=self._tries + 1, optional=self.spec.optional, **more,
        )  # fmt: skip
