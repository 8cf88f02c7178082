"""The container engine through the Docker SDK: which containers, networks and volumes carry an environment's label."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from runners.lib.errors import NotReady

SOCKET = "unix:///var/run/docker.sock"
LABEL = "testbed.env_id"
PROJECT_LABEL, SERVICE_LABEL = "com.docker.compose.project", "com.docker.compose.service"
ONE_OFF_LABEL, HASH_LABEL = "com.docker.compose.oneoff", "com.docker.compose.config-hash"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Box:
    """A container as the engine sees it. health: healthy unhealthy starting, None without a health check; said: what its
    last health check said; restarts: how often the engine has started it again by itself."""

    id: str
    service: str
    status: str
    health: str | None
    said: str
    exit_code: int
    out_of_memory: bool
    pid: int | None
    image: str
    config_hash: str
    started_at: str
    restarts: int = 0
    one_off: bool = False


def address() -> str:
    """Where the engine is: DOCKER_HOST, else its usual socket."""
    return os.environ.get("DOCKER_HOST") or SOCKET


def connect(url: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Any:
    """A client of the engine that answers. Raises NotReady with the way to one."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        raise NotReady(
            "the Docker SDK for Python is not installed", remedy="pip install docker; see: testbed doctor"
        ) from None
    try:
        client = docker.DockerClient(base_url=url or address(), timeout=timeout_s)
        client.ping()
    except (DockerException, OSError) as error:
        raise NotReady(
            f"the container engine at {url or address()} does not answer: {reason(error)}",
            remedy="start it, or see how to get one: testbed doctor",
        ) from None
    return client


def knows_start_interval(client: Any) -> bool:
    """Can a health check be more frequent while a container starts? From engine 25 on."""
    major, _, minor = str(client.version()["ApiVersion"]).partition(".")
    return (int(major), int(minor)) >= (1, 44)


def reason(error: Exception) -> str:
    """The innermost sentence of what the SDK wraps several times."""
    text = str(error)
    if "No such file" in text:
        return "there is no such socket"
    if "Permission denied" in text:
        return "no permission; is this user in the group docker?"
    if "refused" in text:
        return "nobody listens there"
    return " ".join(text.split())[:200] or type(error).__name__


def boxes(client: Any, env_id: str, *, one_off: bool = False) -> list[Box]:
    """The containers of an environment, in any state, by service name. one_off: those of `compose run` as well."""
    listed = client.api.containers(all=True, filters={"label": f"{LABEL}={env_id}"})
    found = [box for item in listed if (box := _inspected(client, str(item["Id"]))) is not None]
    return sorted((box for box in found if one_off or not box.one_off), key=lambda box: box.service)


def _inspected(client: Any, container: str) -> Box | None:
    from docker.errors import NotFound

    try:
        return box_of(client.api.inspect_container(container))
    except NotFound:  # it went between the two questions
        return None


def box_of(item: Mapping[str, Any]) -> Box:
    """What `docker inspect` says, reduced to what is needed."""
    state, config = item["State"], item["Config"]
    labels = config.get("Labels") or {}
    health = state.get("Health") or {}
    log = health.get("Log") or []
    return Box(
        id=str(item["Id"]), service=str(labels.get(SERVICE_LABEL, item.get("Name", ""))), status=str(state["Status"]),
        health=health.get("Status"), said=" ".join(str(log[-1].get("Output", "")).split())[:300] if log else "",
        exit_code=int(state.get("ExitCode") or 0), out_of_memory=bool(state.get("OOMKilled")),
        pid=int(state.get("Pid") or 0) or None, image=str(item.get("Image", "")),
        config_hash=str(labels.get(HASH_LABEL, "")), started_at=str(state.get("StartedAt") or ""),
        restarts=int(item.get("RestartCount") or 0), one_off=labels.get(ONE_OFF_LABEL) == "True",
    )  # fmt: skip


def remove(client: Any, env_id: str, project: str, *, keep_volumes: bool, patience_s: int = 10) -> list[str]:
    """Remove whatever carries the environment's label, or that of its project; returns the kinds and names.

    keep_volumes: their data shall be usable: the containers are then stopped in good order first. Raises NotReady when
    something stays.
    """
    gone = _remove_containers(client, env_id, project, orderly=keep_volumes, patience_s=patience_s)
    for kind, api in (("network", client.networks), ("volume", client.volumes)):
        if kind == "volume" and keep_volumes:
            continue
        for item in _labelled(api, env_id, project):
            _away(lambda item=item: item.remove())
            gone.append(f"{kind} {item.name}")
    left = leftovers(client, env_id, project)
    if keep_volumes:
        left = [name for name in left if not name.startswith("volume ")]
    if left:
        raise NotReady(f"the engine still has {', '.join(left)}", remedy="run the same command again")
    return gone


def leftovers(client: Any, env_id: str, project: str) -> list[str]:
    """Everything on the engine that belongs to the environment: `container NAME`, `network NAME`, `volume NAME`."""
    return [
        *(f"container {item['Names'][0].lstrip('/')}" for item in _containers(client, env_id, project)),
        *(f"network {item.name}" for item in _labelled(client.networks, env_id, project)),
        *(f"volume {item.name}" for item in _labelled(client.volumes, env_id, project)),
    ]


def _remove_containers(client: Any, env_id: str, project: str, *, orderly: bool, patience_s: int) -> list[str]:
    gone: dict[str, str] = {}
    for _ in range(5):  # one may be created behind our back by a compose that was just killed
        found = _containers(client, env_id, project)
        if not found:
            break

        def end(item: Mapping[str, Any]) -> None:
            if orderly and item["State"] == "paused":
                _away(lambda: client.api.unpause(item["Id"]))
            if orderly and item["State"] in ("running", "paused"):
                _away(lambda: client.api.stop(item["Id"], timeout=patience_s))
            _away(lambda: client.api.remove_container(item["Id"], v=True, force=True))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(end, found))
        gone |= {item["Id"]: f"container {item['Names'][0].lstrip('/')}" for item in found}
    return list(gone.values())


def _containers(client: Any, env_id: str, project: str) -> list[Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for label in _labels(env_id, project):
        found |= {item["Id"]: item for item in client.api.containers(all=True, filters={"label": label})}
    return list(found.values())


def _labelled(api: Any, env_id: str, project: str) -> list[Any]:
    found: dict[str, Any] = {}
    for label in _labels(env_id, project):
        found |= {item.id: item for item in api.list(filters={"label": label})}
    return list(found.values())


def _labels(env_id: str, project: str) -> Iterable[str]:
    """Never an empty value: that would be everybody's."""
    return [f"{name}={value}" for name, value in ((LABEL, env_id), (PROJECT_LABEL, project)) if value]


def _away(act: Any) -> None:
    """Do it; that it is gone already, or is on its way out, is no error."""
    from docker.errors import APIError

    try:
        act()
    except APIError as error:
        if error.status_code not in (404, 409):
            raise
