"""The load scenario: how many users of which tenants do what, how often.

load: browse
users: 24
spawn_rate: 12/s                     # users started a second
think: {min: 400ms, max: 1200ms}     # pause between two requests; or `rate: 30/s` for all users together
duration: 1m                         # from the moment all users run; without it, until stopped
tenants: [acme, globex]              # default: all of the target
roles: [viewer, analyst]
window: 15m                          # how far back users look
limit: 50                            # items asked for in one search
mix: {auth.login: 1, search.logs: 8, traces.get: 4, metrics.query: 5}     # shares
queries: ["sum(up)"]                 # PromQL; default: metrics found by search.metrics
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from runners.config import document
from runners.config.document import Rate, Seconds, Strict
from runners.lib.text import did_you_mean
from runners.load.steps import STEPS


class Think(Strict):
    """Seconds between two requests of one user, uniformly distributed."""

    min: Seconds = Field(ge=0)
    max: Seconds = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Think:
        if self.max < self.min:
            raise ValueError("max is below min; write for example think: {min: 400ms, max: 1200ms}")
        return self


class Scenario(Strict):
    """The whole file."""

    load: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    description: str = ""
    users: int = Field(gt=0, le=10_000)
    spawn_rate: Rate = Field(default=10.0, gt=0)
    think: Think | None = None
    rate: Rate | None = Field(default=None, gt=0)
    duration: Seconds | None = Field(default=None, gt=0)
    tenants: tuple[str, ...] = ()
    roles: tuple[str, ...] = ("viewer",)
    window: Seconds = Field(default=900.0, gt=0)
    limit: int = Field(default=50, ge=1, le=1000)
    mix: dict[str, float] = Field(min_length=1)
    queries: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_pace(self) -> Scenario:
        if (self.think is None) == (self.rate is None):
            raise ValueError("a pace is given once; write either think: {min: …, max: …} or rate: 30/s")
        return self

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations of the mix, and those they need to know what to ask for."""
        found = dict.fromkeys(self.mix)
        for name in self.mix:
            if (source := STEPS[name].needs) is not None and not (name == "metrics.query" and self.queries):
                found[source] = None
        return tuple(found)


CHANGEABLE = ("users", "rate", "spawn_rate", "tenants", "roles", "limit", "window")
"""Keys of a scenario that a stage's `with` may give instead."""


def changes_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the parameters of a stage change in its scenario."""
    return {name: params[name] for name in CHANGEABLE if name in params}


def load(path: Path, changes: dict[str, Any] | None = None) -> Scenario:
    """Read a scenario; `changes` are keys given elsewhere (`with` of the stage). Raises FileError."""
    source = document.read(path)
    if isinstance(source.data, dict) and "scenario" in source.data:
        raise source.error("this is a data scenario", ("scenario",), "run it with: testbed data generate")
    if changes and isinstance(source.data, dict):
        data = source.data | changes
        if "rate" in changes:
            data.pop("think", None)
        source = document.Document(path, data, source.lines)
    scenario = document.check(source, Scenario)
    for name, share in scenario.mix.items():
        if name not in STEPS:
            raise source.error(f"mix: users cannot do '{name}'", ("mix", name), did_you_mean(name, STEPS))
        if share <= 0:
            raise source.error(f"mix: the share of '{name}' must be above 0", ("mix", name), "leave it out")
    return scenario
