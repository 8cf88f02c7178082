"""Bring the containers of an environment to what is asked, or say what would change; and say of each why it is not healthy."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.environment.containers import engine, project
from runners.environment.containers.engine import Box
from runners.environment.containers.health import why
from runners.environment.containers.project import Failed, Project
from runners.environment.host.probes import probe
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

PORT_PATIENCE_S = 5.0
_POLL_S = 0.1
LOG_LINES = 2000


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
    dry: bool = False,
    scratch: Path | None = None,
) -> Done:
    """built: the image of each that was built here. dry: change nothing; the variables then lie in the folder `scratch`.

    Raises NotUp, NotReady (no engine).
    """
    state = _with_built(state, built)
    client = engine.connect(state["engine"]["url"])
    place = environment.config / "compose.env"
    ours = Project(
        state["engine"]["project"], tuple(map(Path, files)), (scratch / "compose.env") if dry and scratch else place,
        state["engine"]["url"],
    )  # fmt: skip
    try:
        document, written = _describe(environment, state, ours, images)
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
    changed = written and not _same(place, ours.variables) if dry else written
    if dry:
        return Done(todo, variables=changed)
    _note_images(environment, references, state["engine"])
    if not todo and not any(reasons(state, found).values()):
        return Done(variables=changed)
    _refuse_missing_images(client, state, references, todo)
    for box in found:
        if todo.get(box.service) == "not wanted":
            client.api.remove_container(box.id, v=True, force=True)
    began = time.time()
    try:
        ours.run(
            "up", "--detach", "--wait", "--wait-timeout", str(round(patience_s)), "--no-build", "--quiet-pull",
            *(name for name in services if name not in jobs), timeout_s=patience_s + 60,
        )  # fmt: skip
    except Failed as error:
        _fail(client, environment, state, str(error))
    _await_ports(client, environment, state)
    return Done(todo, _took(client, state, began), changed)


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
) -> tuple[dict[str, Any], bool]:
    """Write the variables; what compose makes of them, and whether they are new. Raises Failed."""

    def text(hashes: Mapping[str, str]) -> str:
        found = project.variables(
            state, secrets=environment.secrets, config=environment.config, images=images, hashes=hashes
        )
        return project.as_file(found)

    before = ours.variables.read_text() if ours.variables.is_file() else None
    if before is None:
        _write(ours.variables, text({}))
    # Which files a service mounts does not depend on the hashes of their contents: the old variables tell as well.
    document = project.document_of(ours)
    after = text(project.hashes(document))
    if after != before:
        _write(ours.variables, after)
        document = project.document_of(ours)
    return document, after != before


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.rename(path)


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


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


def _refuse_missing_images(
    client: Any, state: Mapping[str, Any], references: Mapping[str, str], todo: Mapping[str, str]
) -> None:
    """Raises NotUp before anything is touched. What can be pulled is left to compose."""
    from docker.errors import ImageNotFound

    if state["engine"]["images"] == "official":
        return
    missing = {}
    for name in todo:
        if (reference := references.get(name)) is None:
            continue
        try:
            client.api.inspect_image(reference)
        except ImageNotFound:
            missing[name] = project.MISSING.format(image=reference)
    if missing:
        raise NotUp("; ".join(f"{name}: {reason}" for name, reason in sorted(missing.items())), missing)


def _fail(client: Any, environment: Environment, state: Mapping[str, Any], said: str) -> None:
    found = engine.boxes(client, state["env_id"])
    keep_logs(client, environment, found)
    known = reasons(state, found)
    if not any(known.values()):  # compose gave up on something that is well by now
        raise NotUp(f"docker compose up: {said}")
    bad = "; ".join(f"{name}: {reason}" for name, reason in known.items() if reason is not None)
    if all(box.status == "created" for box in found) or not found:  # nothing began: what compose says is the reason
        raise NotUp(f"docker compose up: {said}", dict.fromkeys(_named(said, known), said) or None)
    raise NotUp(bad, known)


def _named(said: str, known: Collection[str]) -> list[str]:
    """The services that compose's message speaks of."""
    return [name for name in known if f"-{name}-1" in said or f" {name} " in f" {said} "]


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
    """Seconds from the start of each container that was started now to the first health check that it passed."""
    from datetime import datetime

    def moment(text: str) -> float | None:
        try:
            return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()
        except ValueError:
            return None

    found = {}
    for box in engine.boxes(client, state["env_id"]):
        started = moment(box.started_at)
        if started is None or started < began - 1 or box.status != "running":
            continue
        log = (client.api.inspect_container(box.id)["State"].get("Health") or {}).get("Log") or []
        passed = [moment(str(entry["End"])) for entry in log if entry.get("ExitCode") == 0]
        healthy = min((at for at in passed if at is not None), default=None)
        if healthy is not None:
            found[box.service] = round(max(0.0, healthy - started), 2)
    return found


def remove(environment: Environment, state: Mapping[str, Any], *, keep_volumes: bool, dry: bool = False) -> list[str]:
    """Remove what the engine has of this environment; what there was. Raises NotReady: no engine, or something stays."""
    facts = state.get("engine")
    if not isinstance(facts, dict):
        return []  # nothing was started without it
    try:
        client = engine.connect(facts["url"])
    except NotReady as error:
        raise NotReady(
            f"{error.what}; containers of environment '{environment.name}' may be on it", remedy=error.remedy
        ) from None
    if dry:
        return engine.leftovers(client, str(state["env_id"]), str(facts["project"]))
    return engine.remove(client, str(state["env_id"]), str(facts["project"]), keep_volumes=keep_volumes)
