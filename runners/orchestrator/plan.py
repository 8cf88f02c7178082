"""From a campaign and the settings to what will run: ids, order, parameters, time limits. Pure but for reading scenarios."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runners.config.document import read
from runners.config.settings import Settings
from runners.lib.errors import FileError, UsageError
from runners.lib.ids import new_run_id
from runners.lib.text import did_you_mean
from runners.lib.units import format_duration, parse_duration
from runners.orchestrator.campaign import Campaign, StageModel, action_of
from runners.orchestrator.spec import MODULES, CampaignSpec, StageSpec

MARGIN_S = 120.0  # what a stage may take beyond its duration, to start, drain and report
UNKNOWN_TIMEOUT_S = 600.0


def plan(
    campaign: Campaign,
    settings: Settings,
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    queue: bool = False,
    commit: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> CampaignSpec:
    """A run of the campaign with fresh ids. only, skip: stage names. overrides: as applied, for the record.

    Raises UsageError for an unknown stage, or one that is left out though another is part of it.
    """
    chosen = _chosen(campaign.stages, list(only), list(skip))
    estimates = {stage.name: _estimate(campaign, stage) for stage in chosen}
    first = [stage.name for stage in chosen if stage.critical]
    timeout = float(settings["timeout"])
    specs = []
    for stage in chosen:
        needs, after = _order(stage, chosen, first)
        estimate = estimates[stage.name]
        if stage.during is not None and estimate is None:
            estimate = _rest(estimates.get(stage.during), stage.at)
        limit = stage.timeout or (UNKNOWN_TIMEOUT_S if estimate is None else estimate + MARGIN_S)
        specs.append(
            StageSpec(
                name=stage.name,
                suite=stage.suite,
                action=action_of(stage),
                module=MODULES[stage.suite],
                runs=tuple(new_run_id() for _ in range(stage.retries + 1)),
                needs=tuple(needs),
                after=tuple(after),
                during=stage.during,
                at_s=stage.at,
                duration_s=stage.duration,
                timeout_s=min(limit, timeout),
                grace_s=float(settings["grace"]),
                optional=stage.optional,
                critical=stage.critical,
                of=stage.of,
                estimate_s=estimate,
                params=_params(campaign, stage),
            )
        )
    return CampaignSpec(
        id=new_run_id(),
        campaign=campaign.name,
        environment=str(settings["environment"]),
        stages=tuple(specs),
        gates=tuple(gate.gate for gate in campaign.model.gates),
        optional_gates=_optional_gates(campaign),
        seed=int(settings["seed"]),
        timeout_s=timeout,
        queue=queue,
        on_disconnect=str(settings["on_disconnect"]),
        description=campaign.model.description,
        commit=commit,
        defects=tuple(settings["defects"]),
        config={key: value.to_json() for key, value in settings.sources.items()}
        | {key: {"value": text, "source": "command line"} for key, text in (overrides or {}).items()},
    )


def _chosen(stages: list[StageModel], only: list[str], skip: list[str]) -> list[StageModel]:
    names = [stage.name for stage in stages]
    for name in [*only, *skip]:
        if name not in names:
            raise UsageError(f"no stage '{name}' in this campaign", remedy=did_you_mean(name, names))
    chosen = [stage for stage in stages if (not only or stage.name in only) and stage.name not in skip]
    if not chosen:
        raise UsageError("no stage is left to run")
    left = {stage.name for stage in chosen}
    for stage in chosen:
        for key, other in (("during", stage.during), ("of", stage.of)):
            if other is not None and other not in left:
                what = f"stage {stage.name} ({key}: {other}) cannot run without {other}"
                raise UsageError(what, remedy=f"run {other} too, or leave out {stage.name}")
    return chosen


def _order(stage: StageModel, stages: list[StageModel], critical: list[str]) -> tuple[list[str], list[str]]:
    """(needs, after). Without needs and during, a stage follows the one before it and what accompanied that one.

    Critical stages run first: everybody else waits for them, but what a critical stage itself waits for.
    """
    names = [other.name for other in stages]
    needs = [name for name in stage.needs or [] if name in names]
    after: list[str] = []
    if stage.needs is None and stage.during is None and not stage.critical:
        before = [other for other in stages[: names.index(stage.name)] if other.during is None]
        if before:
            needs.append(before[-1].name)
            after += _company(before[-1].name, stages)
    if stage.of is not None and stage.of not in needs:
        needs.append(stage.of)
    if not stage.critical and stage.name not in _ancestors(critical, stages):
        after += [name for name in critical if name not in needs]
    return needs, after


def _company(host: str, stages: list[StageModel]) -> list[str]:
    """Stages that run during the host, and during those."""
    found = [stage.name for stage in stages if stage.during == host]
    return found + [name for direct in found for name in _company(direct, stages)]


def _ancestors(names: list[str], stages: list[StageModel]) -> set[str]:
    by_name = {stage.name: stage for stage in stages}
    found: set[str] = set()
    todo = list(names)
    while todo:
        stage = by_name[todo.pop()]
        for name in [*(stage.needs or []), *filter(None, [stage.during, stage.of])]:
            if name in by_name and name not in found:
                found.add(name)
                todo.append(name)
    return found


def _optional_gates(campaign: Campaign) -> tuple[str, ...]:
    """The expressions that are optional wherever they stand: verdicts know a gate by its expression."""
    wanted = {gate.gate for gate in campaign.model.gates if not gate.optional}
    return tuple(gate.gate for gate in campaign.model.gates if gate.optional and gate.gate not in wanted)


def _params(campaign: Campaign, stage: StageModel) -> dict[str, Any]:
    params = dict(stage.with_)
    if stage.suite == "chaos":
        params["experiment"] = str(campaign.files[stage.name])
    elif stage.name in campaign.files:
        params["scenario"] = str(campaign.files[stage.name])
        params["duration_s"] = stage.duration
        if stage.suite == "data":
            params.setdefault("sink", None)
    return params


def _estimate(campaign: Campaign, stage: StageModel) -> float | None:
    """Seconds: the stage's own duration, else that of its scenario or experiment, else not known."""
    if stage.duration is not None:
        return stage.duration
    path = campaign.files.get(stage.name)
    if path is None:
        return None
    try:
        data = read(path).data
        return parse_duration(data["duration"])
    except (FileError, ValueError, KeyError, TypeError):
        return None


def _rest(host: float | None, at: float) -> float | None:
    return None if host is None else max(host - at, 0.0)


def timetable(spec: CampaignSpec) -> dict[str, tuple[float, float | None]]:
    """(start, end) of each stage in seconds from the campaign's start, as far as durations are known."""
    times: dict[str, tuple[float, float | None]] = {}
    todo = list(spec.stages)
    while todo:
        ready = [
            stage
            for stage in todo
            if all(name in times for name in (*stage.needs, *stage.after, *filter(None, [stage.during])))
        ]
        if not ready:
            break
        for stage in ready:
            start = max((times[name][1] or times[name][0] for name in (*stage.needs, *stage.after)), default=0.0)
            if stage.during:
                start = max(start, times[stage.during][0] + stage.at_s)
            end = None if stage.estimate_s is None else start + stage.estimate_s
            host_end = times[stage.during][1] if stage.during else None
            if host_end is not None:
                end = host_end if end is None else min(end, host_end)
            times[stage.name] = (start, end)
            todo.remove(stage)
    return times


def describe(spec: CampaignSpec) -> dict[str, Any]:
    """The plan as `run --plan --json` prints it. Times in seconds."""
    times = timetable(spec)
    ends = [end if end is not None else start for start, end in times.values()]
    return {
        "campaign": spec.campaign, "description": spec.description, "environment": spec.environment,
        "seed": spec.seed, "timeout_s": spec.timeout_s, "estimate_s": max(ends, default=0.0),
        "complete": all(end is not None for _, end in times.values()),
        "stages": [
            {
                "name": stage.name, "suite": stage.suite, "action": stage.action, "start_s": times[stage.name][0],
                "end_s": times[stage.name][1], "needs": list(stage.needs), "after": list(stage.after),
                "during": stage.during, "at_s": stage.at_s, "timeout_s": stage.timeout_s,
                "attempts": len(stage.runs), "optional": stage.optional, "critical": stage.critical,
                "params": stage.params | ({"of": stage.of} if stage.of else {}),
            }
            for stage in sorted(spec.stages, key=lambda stage: times[stage.name][0])
        ],
        "gates": list(spec.gates),
    }  # fmt: skip


def explain(spec: CampaignSpec) -> str:
    """The plan for people."""
    document = describe(spec)
    known = "" if document["complete"] else " and more"
    lines = [
        f"{spec.campaign}: {spec.description}" if spec.description else spec.campaign,
        f"environment {spec.environment} · seed {spec.seed} · about {format_duration(document['estimate_s'])}{known}"
        f" · at most {format_duration(spec.timeout_s)}",
        "",
    ]
    width = max(len(stage["name"]) for stage in document["stages"])
    for stage in document["stages"]:
        start = f"{stage['start_s']:.0f} s"
        end = "…" if stage["end_s"] is None else f"{stage['end_s']:.0f} s"
        when = f"{start:>6} – {end:<6}"
        what = stage["params"].get("scenario") or stage["params"].get("experiment")
        of = stage["params"].get("of")
        what = what.rsplit("/", 1)[-1] if what else f"of {of}" if of else "all"
        notes = [f"during {stage['during']}"] if stage["during"] else []
        notes += [f"needs {', '.join(stage['needs'])}"] if stage["needs"] else []
        notes += [word for word in ("optional", "critical") if stage[word]]
        lines.append(
            f"  {stage['name']:<{width}}  {when}  {stage['suite']} {stage['action']} {what}"
            + (f"  ({'; '.join(notes)})" if notes else "")
        )
    if spec.gates:
        lines += ["", "gates:"]
        lines += [f"  {gate}{' (optional)' if gate in spec.optional_gates else ''}" for gate in spec.gates]
    return "\n".join(lines)
