"""Bring the containers of an environment to what is asked, or say what would change; and say of each why it is not healthy."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from runners.environment.containers import engine, knowledge, project, usage
from runners.environment.containers.engine import Box
from runners.environment.containers.health import failed, why
from runners.environment.containers.project import Failed, Project
from runners.environment.host.probes import probe
from runners.environment.images import engine as pulling
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json, write_text
from runners.lib.home import Environment

PORT_PATIENCE_S = 5.0
PULLS = 3  # at once
_POLL_S = 0.1
LOG_LINES = 2000
MAX_RESTARTS = 4  # the engine waits twice as long each time, from 0.1 s on


class NotUp(Exception):
    """The containers are not as they should be. reasons: by service, None for those that are healthy; empty: not known."""

    def __init__(self, what: str, reasons: Mapping[str, str | None] | None = None) -> None:
        super().__init__(what)
        self.reasons = dict(reasons or {})


@dataclass(frozen=True)
class Done:
    """todo: what differed, by service; took_s: from start to health of the services that were started; variables: the file
    was written anew."""

    todo: dict[str, str] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)
    variables: bool = False


def bring_up(
    environment: Environment,
    state: Mapping[str, Any],
    files: Collection[str],
    images: Mapping[str, Mapping[str, Any]],
    built: Mapping[str, str],
    *,
    patience_s: float,
    further: Collection[str] = (),
    dry: bool = False,
    scratch: Path | None = None,
) -> Done:
    """built: the image of each that was built here; further: services of the compose files beside those of the catalogue.
    dry: change nothing; the variables then lie in the folder `scratch`.

    Raises NotUp, NotReady (no engine).
    """
    state = _with_built(state, built)
    state = {
        **state,
        "services": [*state["services"], *({"name": name, "health": {"kind": "container"}} for name in further)],
    }
    client = engine.connect(state["engine"]["url"])
    ours = Project(
        state["engine"]["project"], tuple(map(Path, files)), scratch if dry and scratch else environment.config,
        state["engine"]["url"],
    )  # fmt: skip
    try:
        frequent = engine.knows_start_interval(client) and ours.knows_start_interval()
        document, written = _describe(environment, state, ours, images, start_interval=frequent)
        wanted = project.wanted_hashes(ours.run("config", "--hash", "*"))
    except Failed as error:
        raise NotUp(f"docker compose config: {error}") from None
    services = {item["name"]: item for item in state["services"]}
    references = {name: project.image_of(document, name) for name in services if name in document["services"]}
    if unknown := sorted(set(services) - set(references)):
        raise NotUp(f"the compose files have no service {', '.join(unknown)}")
    found = engine.boxes(client, state["env_id"])
    jobs = {name for name, item in services.items() if item.get("job")}
    unwanted = {item["name"] for item in state["absent"]}
    todo = project.differing(services, jobs, wanted, found, unwanted=unwanted)
    changed = not _same(environment.config, ours) if dry else written
    if dry:
        return Done(todo, variables=changed)
    _note_images(environment, references, state["engine"])
    sick = {name for name, reason in reasons(state, found).items() if reason is not None}
    if not todo and not sick:
        return Done(variables=changed)
    _have_images(client, state, references, todo)
    for box in found:
        if todo.get(box.service) in ("not wanted", "dead"):
            client.api.remove_container(box.id, v=True, force=True)
        elif box.status == "paused" and box.service in todo:
            client.api.unpause(box.id)  # compose would only be refused
    try:
        knowledge.renew(client, environment, ours, document, services)
    except knowledge.NotTaken as error:
        keep_logs(client, environment, found)
        raise NotUp(f"{error.service}: {error}", {error.service: str(error)}) from None
    began = time.time()
    try:
        ours.up(
            _named_to_compose(services, jobs, {*todo, *sick}), project.profiles_of(document, services),
            patience_s=patience_s, hopeless=lambda: falls_again(engine.boxes(client, state["env_id"]), found),
        )  # fmt: skip
    except Failed as error:
        _fail(client, environment, state, references, str(error))
    _await_ports(client, environment, state)
    return Done(todo, _took(client, state, began), changed)


def falls_again(now: Collection[Box], before: Collection[Box]) -> bool:
    """Does a container end after its start, again and again, since the engine was asked `before`?"""
    known = {box.id: box.restarts for box in before}
    return any(box.restarts - known.get(box.id, 0) >= MAX_RESTARTS for box in now if box.health != "healthy")


def _named_to_compose(services: Collection[str], jobs: Collection[str], todo: Collection[str]) -> list[str]:
    """A job is never named: `up --wait` would wait for it to run. It is done again by way of those that require it."""
    return [name for name in services if name not in jobs and (name in todo or set(jobs) & set(todo))]


def reasons(state: Mapping[str, Any], found: Collection[Box], *, ask: bool = True) -> dict[str, str | None]:
    """By service why it is not healthy, None when it is. ask: the published ports too, all at once."""
    by_name = {box.service: box for box in found}
    services = list(state["services"])
    if not services:
        return {}
    with ThreadPoolExecutor(len(services)) as pool:
        answers = pool.map(lambda item: why(item, by_name.get(item["name"]), probe if ask else None), services)
        return {item["name"]: answer for item, answer in zip(services, answers, strict=True)}


def keep_logs(client: Any, environment: Environment, found: Collection[Box]) -> None:
    """The last lines of every container into the environment's logs folder, which survives a rollback."""
    environment.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    for box in found:
        path = environment.logs / f"{box.service}.log"
        path.touch(mode=0o600)
        path.write_bytes(client.api.logs(box.id, stdout=True, stderr=True, tail=LOG_LINES))


def _with_built(state: Mapping[str, Any], built: Mapping[str, str]) -> dict[str, Any]:
    """What was built earlier counts on: another play may have built others."""
    facts = state["engine"]
    return {**state, "engine": {**facts, "built": {**(facts.get("built") or {}), **built}}}


def _describe(
    environment: Environment,
    state: Mapping[str, Any],
    ours: Project,
    images: Mapping[str, Mapping[str, Any]],
    *,
    start_interval: bool,
) -> tuple[dict[str, Any], bool]:
    """Write what compose needs to know; what it makes of that, and whether it is new. Raises Failed."""
    variables = project.variables(state, secrets=environment.secrets, config=environment.config, images=images)
    new = _write(ours.variables, project.as_file(variables))
    document = project.document_of(ours)
    return document, _write(ours.override, project.override(document, start_interval=start_interval)) or new


def _write(path: Path, text: str) -> bool:
    """Whether it was another one."""
    if path.is_file() and path.read_text() == text:
        return False
    write_text(path, text)
    return True


def _same(folder: Path, ours: Project) -> bool:
    """Does the folder hold the same as was just written elsewhere?"""
    return all(
        (folder / path.name).is_file() and (folder / path.name).read_bytes() == path.read_bytes()
        for path in (ours.variables, ours.override)
    )


def _note_images(environment: Environment, references: Mapping[str, str], engine_facts: Mapping[str, Any]) -> None:
    """state.json says which image each service runs, as soon as that is known."""
    state = read_json(environment.state)
    if state is None:
        return
    services = [item | _run_from(references[item["name"]], item["version"]) for item in state["services"]]
    after = {**state, "services": services, "engine": dict(engine_facts)}
    if after != state:
        write_json(environment.state, after)


def _run_from(reference: str, version: str) -> dict[str, str]:
    """What the image tells of a service. The project's own images have its version."""
    tag = reference.partition("@")[0].rpartition(":")[2]
    return {"image": reference, "origin": f"image {reference}", "version": project.version_in(tag) or version}


def _have_images(client: Any, state: Mapping[str, Any], references: Mapping[str, str], todo: Mapping[str, str]) -> None:
    """Raises NotUp before anything is touched. What can be pulled is pulled first: that takes its time, which is none of the
    patience with what is being started."""
    from docker.errors import ImageNotFound

    absent: dict[str, list[str]] = {}
    for name in todo:
        if (reference := references.get(name)) is None:
            continue
        try:
            client.api.inspect_image(reference)
        except ImageNotFound:
            absent.setdefault(reference, []).append(name)
    if state["engine"]["images"] == "official":
        with ThreadPoolExecutor(PULLS) as pool:
            said = dict(zip(absent, pool.map(pulling.pull, absent), strict=True))
        why = {
            reference: project.NOT_PULLED.format(image=reference, said=text) for reference, text in said.items() if text
        }
    else:
        why = {reference: project.MISSING.format(image=reference) for reference in absent}
    missing: dict[str, str | None] = {name: why[reference] for reference in why for name in absent[reference]}
    if missing:
        raise NotUp("; ".join(f"{name}: {reason}" for name, reason in sorted(missing.items())), missing)


def _fail(
    client: Any, environment: Environment, state: Mapping[str, Any], references: Mapping[str, str], said: str
) -> NoReturn:
    """Raises NotUp with what is known for certain: whoever was on its way when compose gave up is neither well nor a cause."""
    found = engine.boxes(client, state["env_id"])
    keep_logs(client, environment, found)
    known = causes(state, found, reasons(state, found), references, said)
    bad = [f"{name}: {reason}" for name, reason in known.items() if reason is not None]
    raise NotUp("; ".join(bad) or f"docker compose up: {said}", known if bad else None)


def causes(
    state: Mapping[str, Any],
    found: Collection[Box],
    known: Mapping[str, str | None],
    references: Mapping[str, str],
    said: str,
) -> dict[str, str | None]:
    """Which of the reasons why services are not healthy are sure to be their own. said: by compose, when it gave up.

    First what ended or fails its check; else what the engine refused, such as a port that is taken; else all.
    """
    by_name = {box.service: box for box in found}
    well: dict[str, str | None] = {name: None for name, reason in known.items() if reason is None}
    ended = {name: reason for name, reason in known.items() if reason and failed(by_name.get(name))}
    if ended:
        return well | ended
    project_name = state["engine"]["project"]
    refused = [name for name in known if f"{project_name}-{name}-1" in said or references.get(name, "\0") in said]
    if refused and "is unhealthy" not in said:
        return {name: None for name in well if name not in refused} | dict.fromkeys(refused, said)
    return dict(known)


def _await_ports(client: Any, environment: Environment, state: Mapping[str, Any]) -> None:
    """The engine's check ran inside; clients come through the published port. Raises NotUp."""
    deadline = time.monotonic() + PORT_PATIENCE_S
    while True:
        found = engine.boxes(client, state["env_id"])
        known = reasons(state, found)
        bad = {name: reason for name, reason in known.items() if reason is not None}
        if not bad:
            return
        if time.monotonic() > deadline:
            keep_logs(client, environment, found)
            raise NotUp("; ".join(f"{name}: {reason}" for name, reason in bad.items()), known)
        time.sleep(_POLL_S)


def _took(client: Any, state: Mapping[str, Any], began: float) -> dict[str, float]:
    """Seconds from the last start of each container, of those that were started now, until the engine found it healthy."""
    started: dict[str, float] = {}
    took: dict[str, float] = {}
    for event in usage.events(client, state["env_id"], since=began - 1, until=time.time()):
        if event.what == "start":
            started[event.service] = event.at
            took.pop(event.service, None)
        elif event.what == "healthy" and event.service in started and event.service not in took:
            took[event.service] = round(event.at - started[event.service], 2)
    return took


def remove(environment: Environment, state: Mapping[str, Any], *, keep_volumes: bool, dry: bool = False) -> list[str]:
    """Remove what the engine has of this environment; what there was. Raises NotReady: no engine, or something stays."""
    facts = state.get("engine")
    if not isinstance(facts, dict):
        return []  # nothing was started without it
    try:
        client = engine.connect(facts["url"])
    except NotReady as error:
        raise NotReady(
            f"{error.what}; containers of environment '{environment.name}' may be on it",
            remedy=f"{error.remedy}; where that engine is gone for good, remove the folder {environment.root}",
        ) from None
    if dry:
        return engine.leftovers(client, str(state["env_id"]), str(facts["project"]))
    return engine.remove(client, str(state["env_id"]), str(facts["project"]), keep_volumes=keep_volumes)
