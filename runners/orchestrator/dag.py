"""When may a stage start? Pure: from the stages' endings and the host's steady moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runners.orchestrator.spec import StageSpec
from runners.orchestrator.verdicts import Ending


@dataclass(frozen=True)
class Wait:
    """Not yet."""


@dataclass(frozen=True)
class Start:
    """Now."""


@dataclass(frozen=True)
class Skip:
    """Never. broken: whoever needs this stage is skipped too."""

    reason: str
    broken: bool = False


Decision = Wait | Start | Skip


@dataclass(frozen=True)
class Outcome:
    """How a stage ended, as far as others care. broken: nobody who needs it may run."""

    ending: Ending
    broken: bool = False


@dataclass(frozen=True)
class Host:
    """The stage that a `during` stage accompanies. steady_ns: monotonic clock, None before it is steady."""

    live: bool
    steady_ns: int | None


def is_broken(ending: Ending) -> bool:
    """Only error and lost skip those who need the stage; every other end is an answer."""
    return ending.state in ("error", "lost")


def decide(
    stage: StageSpec,
    ended: Mapping[str, Outcome],
    *,
    critical: Mapping[str, bool],
    host: Host | None = None,
    now_ns: int = 0,
) -> Decision:
    """critical: of every critical stage that has ended, whether it passed. host: of `during`, None when not started."""
    for name, passed in critical.items():
        if not passed and name != stage.name:
            return Skip(f"critical stage {name} did not pass", broken=True)
    for name in stage.needs:
        if name in ended and ended[name].broken:
            return Skip(f"needs {name}: {ended[name].ending.state}", broken=True)
    if any(name not in ended for name in (*stage.needs, *stage.after)):
        # A host that ends first would leave a `during` stage waiting for its needs for ever.
        return _host_gone(stage, ended) or Wait()
    if stage.during is None:
        return Start()
    if gone := _host_gone(stage, ended):
        return gone
    if host is None or not host.live or host.steady_ns is None:
        return Wait()
    return Start() if now_ns >= host.steady_ns + round(stage.at_s * 1e9) else Wait()


def _host_gone(stage: StageSpec, ended: Mapping[str, Outcome]) -> Skip | None:
    if stage.during is None or stage.during not in ended:
        return None
    return Skip(f"{stage.during} ended before {stage.name} could start", broken=ended[stage.during].broken)
