"""What an experiment may say beyond Chaos Toolkit: the block `extensions: [{name: testbed, …}]` and provider `testbed`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runners.config.document import Seconds, Strict
from runners.faults.safety import DEFAULT_TTL_S, MAX_FAULTS, MAX_TTL_S

DEFAULT_HOLD_S = 5.0
DEFAULT_OBJECTIVE_S = 30.0

Ttl = Annotated[Seconds, Field(gt=0, le=MAX_TTL_S)]
Positive = Annotated[Seconds, Field(gt=0)]
ProbeName = Literal["write", "health"]


class BlastRadius(Strict):
    """How much may be broken at once."""

    max_faults: int = Field(MAX_FAULTS, ge=1, le=MAX_FAULTS)
    max_targets: int = Field(MAX_FAULTS, ge=1, le=MAX_FAULTS)


class RecoveryObjective(Strict):
    """probe: what recovery is measured by. target: the service whose health is asked (default: the broken one).
    objective: the longest time from the end of the fault (for kill and restart: from the injection) to service."""

    probe: ProbeName = "write"
    target: str | None = None
    objective: Positive = DEFAULT_OBJECTIVE_S


class AbortCondition(Strict):
    """Stop and revert when the recovery probe has had no success for so long."""

    failing_for: Positive


class During(Strict):
    """every: how often the steady state is asked while the method runs."""

    every: Positive = 1.0


class Extension(Strict):
    """Defaults of all faults of the experiment, and the limits that guard it."""

    name: Literal["testbed"] = "testbed"
    ttl: Ttl = DEFAULT_TTL_S
    hold: Positive = DEFAULT_HOLD_S
    blast_radius: BlastRadius = BlastRadius()
    deny: tuple[str, ...] = ()
    abort_when: tuple[AbortCondition, ...] = ()
    recovery: RecoveryObjective = RecoveryObjective()
    during: During = During()


class FaultProvider(Strict):
    """`provider: {type: testbed, fault: kill, target: ingest, ttl: 20s, hold: 5s}` of an action."""

    type: Literal["testbed"]
    fault: str
    target: str
    ttl: Ttl | None = None
    hold: Positive | None = None


class ProbeProvider(Strict):
    """`provider: {type: testbed, probe: health, target: ingest}` of a probe; `write` needs no target."""

    type: Literal["testbed"]
    probe: ProbeName
    target: str | None = None
