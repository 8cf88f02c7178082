"""The facts of an environment of containers, decided once and kept in state.json before anything else exists.

The counterpart of host.workspace: the same document, with an engine and a project where that has a supervisor.
"""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from runners.environment.containers.engine import address
from runners.environment.containers.project import version_in
from runners.environment.host import binaries, keycloak, ports, servers
from runners.environment.host.binaries import Binary
from runners.environment.host.entries import HOST, platform_version, urls
from runners.environment.host.impact import with_requirements
from runners.environment.host.servers import Identity, Selection, Stores, Unprovidable
from runners.environment.host.workspace import STATE_VERSION, Prepared, reserved
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

Source = Literal["official", "local", "auto"]
ANYWHERE = "0.0.0.0"  # noqa: S104  (inside a container; what is published is published on loopback)
MODE = "0644"  # in a folder of mode 0700: a container's user is another one than the owner of the file
SECRETS_INSIDE = "/run/secrets/"
RULES_INSIDE = "/etc/prometheus/rules/*.yml"
FOLDERS_INSIDE = {"redis": "/data", "loki": "/loki", "tempo": "/var/tempo", "sockets": "/var/run/postgresql"}
REGISTRY_S = 3.0


def prepare(
    environment: Environment,
    catalogue: Mapping[str, Mapping[str, Any]],
    images: Mapping[str, Mapping[str, Any]],
    files: Collection[str],
    *,
    inventory: str,
    target_file: str,
    engine_id: str,
    source: Source = "auto",
    only: Collection[str] = (),
    defects: Collection[str] = (),
    port_offset: int = -1,
    stores: Stores = "embedded",
    identity: Identity = "local",
    dry: bool = False,
) -> Prepared:
    """Make the folders and state.json, or find them as they are. dry: only say what would change.

    files: what compose reads; engine_id: of the engine that answers now. Raises Unprovidable, ports.NoFreePorts, ValueError
    (the catalogue is not sound).
    """
    earlier = _usable(read_json(environment.state))
    known = earlier.get("engine") or {}
    if known.get("id") and known["id"] != engine_id:
        raise Unprovidable(
            f"this environment is on another engine ({known['url']}); take it down there, or name that one in DOCKER_HOST"
        )
    chosen_source = resolve_source(source, images, known.get("images"))
    selection = choose(catalogue, images, only, source=chosen_source, stores=stores, identity=identity)
    names, requires = selection.present, servers.requirements(catalogue, selection, identity=identity)
    env_id = str(earlier.get("env_id") or uuid.uuid4())
    defaults = ports.numbers(catalogue, None)
    offset = ports.kept(earlier.get("ports") or {}, defaults)
    if offset is None:
        offset = port_offset if port_offset >= 0 else ports.choose(defaults, reserved=reserved(environment))
    numbers = {name: port + offset for name, port in defaults.items()}
    project = project_name(environment.name, env_id)
    before = {item["name"]: item for item in earlier.get("services") or []}
    state: dict[str, Any] = {
        "v": STATE_VERSION, "environment": environment.name, "kind": "compose", "state": "provisioning",
        "env_id": env_id, "inventory": inventory, "target_file": target_file,
        "urls": urls({name: numbers[name] for name in names if name in numbers}), "ports": numbers,
        "stores": selection.stores, "identity": identity,
        "engine": {"url": address(), "id": engine_id, "project": project, "images": chosen_source, "built": known.get("built") or {},
            "knows": known.get("knows") or {},
            "files": list(map(str, files)),
        },
        "services": [
            service(environment, name, catalogue[name], numbers, images, before=before.get(name))
            | {"requires": requires[name], "note": selection.notes.get(name)}
            for name in names
        ],
        "absent": [_absent(name, catalogue[name], reason) for name, reason in selection.absent.items()],
        "wanted": {"only": sorted(only), "defects": sorted(defects), "stores": stores, "identity": identity},
        "supervisor": None, "defects": sorted(defects), "outside": [], "provisioned_at": None,
    }  # fmt: skip
    if earlier:
        state |= {key: earlier[key] for key in ("state", "provisioned_at")}
        if "release" in earlier:
            state["release"] = earlier["release"]
        if "took_s" in earlier:
            state["took_s"] = {name: took for name, took in earlier["took_s"].items() if name in names}
        if state["state"] in ("failed", "absent"):  # rolled back, or data that was kept
            state["state"] = "provisioning"
    changed = [] if dry else make_folders(environment)
    if state != earlier:
        if not dry:  # until all of it holds, nobody may take it for ready: this may be killed
            write_json(environment.state, state | {"state": "provisioning"})
        changed.append("state.json")
    return Prepared(state, _facts(state, catalogue, numbers, files), changed)


def _facts(
    state: Mapping[str, Any],
    catalogue: Mapping[str, Mapping[str, Any]],
    numbers: Mapping[str, int],
    files: Collection[str],
) -> dict[str, Any]:
    """What roles and templates need: see host.workspace for those that processes have, too."""
    engine = state["engine"]
    version = next((item["version"] for item in state["services"] if item["name"] == "redis"), None)
    return {
        "env_id": state["env_id"], "root": False, "ports": dict(numbers), "account": None, "outside": [], "lz4": True,
        "binaries": {"redis": {"version": version or "6.2"}}, "stores": state["stores"], "identity": state["identity"],
        "alert_rules": RULES_INSIDE, "listen": ANYWHERE, "addresses": addresses(catalogue), "folders": FOLDERS_INSIDE,
        "seen_secrets": SECRETS_INSIDE, "mode": MODE, "project": engine["project"], "images": engine["images"],
        "files": list(files), "jobs": [item["name"] for item in state["services"] if item.get("job")],
    }  # fmt: skip


def addresses(catalogue: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Where services reach each other: by name, at the port of the catalogue, whatever is published."""
    found = {name: {"host": name, "port": int(entry["port"])} for name, entry in catalogue.items() if entry.get("port")}
    for name, entry in catalogue.items():
        for further, port in (entry.get("inside") or {}).items():
            found[f"{name}_{further}"] = {"host": name, "port": int(port)}
    return found


def project_name(environment: str, env_id: str) -> str:
    """The name of the compose project: unique among all homes of an engine, readable in `docker ps`."""
    readable = re.sub(r"[^a-z0-9_-]", "-", environment.lower()).strip("-_") or "env"
    return f"testbed-{readable}-{env_id[:8]}"


def choose(
    catalogue: Mapping[str, Mapping[str, Any]],
    images: Mapping[str, Mapping[str, Any]],
    only: Collection[str],
    *,
    source: str,
    stores: Stores,
    identity: Identity,
) -> Selection:
    """The services of an environment. Raises Unprovidable, ValueError. With `only`, what the platform is to use comes along."""
    wanted = with_requirements({name: entry["requires"] for name, entry in catalogue.items()}, only or list(catalogue))
    used = {name for name, entry in catalogue.items() if entry.get("store") or name == servers.IDENTITY}
    along = sorted(used - set(wanted)) if set(servers.PLATFORM) & set(wanted) else []
    optional = [name for name in (*wanted, *along) if catalogue[name].get("optional")]
    lacking = {name: reason for name in optional if (reason := no_image(name, images, source)) is not None}
    # Whether there is an image stands for whether there is a binary: all else is decided as for processes.
    asked = {
        name: {**entry, "binary": [] if name == "web" else [name]} if entry.get("optional") else entry
        for name, entry in catalogue.items()
    }
    found = {name: None if name in lacking else Binary(Path(), "", "its image", name, True) for name in optional}
    chosen = servers.select(asked, [*wanted, *along], found, stores=stores, identity=identity, frontend=True)
    needed = {*chosen.stores.values(), *([servers.IDENTITY] if identity == servers.IDENTITY else [])}
    left = {name for name in along if name not in needed}
    unasked = {servers.IDENTITY} if identity != servers.IDENTITY else set[str]()
    absent = {
        name: f"{lacking[name]}{servers.instead(catalogue[name].get('store'))}"
        if name in set(lacking) - unasked
        else reason
        for name, reason in chosen.absent.items()
        if name not in left
    }
    return replace(chosen, present=tuple(name for name in chosen.present if name not in left), absent=absent)


def no_image(name: str, images: Mapping[str, Mapping[str, Any]], source: str) -> str | None:
    """Why a service's image cannot be had here; None when it can."""
    image = images.get(name) or {}
    if source == "official" and image.get("repository"):
        return None
    build = image.get("build")
    if not build:
        return "its image can only be pulled"
    for program in build.get("binaries") or ():
        there = keycloak.find() if program == "kc.sh" else binaries.server([program])
        if isinstance(there, binaries.Broken):
            return str(there)
        if there is None:
            return f"no {program} in TESTBED_BIN_DIR or on PATH to build its image with"
    return None


def resolve_source(source: Source, images: Mapping[str, Mapping[str, Any]], earlier: str | None) -> str:
    """`official` or `local`. auto: what was decided at first, else whether the registry of the images answers."""
    if source != "auto":
        return source
    if earlier:
        return earlier
    hosts = {str(image["repository"]).partition("/")[0] for image in images.values() if image.get("repository")}
    return "official" if hosts and all(registry_answers(host) for host in hosts) else "local"


def registry_answers(host: str) -> bool:
    """Can this machine connect to it? The engine may use a proxy; who has one sets testbed_images_source."""
    name, _, port = {"docker.io": "registry-1.docker.io"}.get(host, host).partition(":")
    try:
        with socket.create_connection((name, int(port or 443)), REGISTRY_S):
            return True
    except OSError:
        return False


def service(
    environment: Environment,
    name: str,
    entry: Mapping[str, Any],
    numbers: Mapping[str, int],
    images: Mapping[str, Mapping[str, Any]],
    *,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A service of the catalogue with everything filled in: how it is in state.json. before: as it was there, with the image
    that it runs."""
    health, port = dict(entry["health"]), numbers.get(name)
    url = f"{entry['scheme']}://{HOST}:{port}" if port else None
    if health["kind"] == "http":
        health["url"] = f"{url}{health.pop('path')}"
    image = images.get(entry.get("image") or name) or {}
    own = "target" in (image.get("build") or {})
    kept = {key: before[key] for key in ("version", "origin", "image") if key in before} if before else {}
    return {
        "name": name, "title": entry["title"], "implementation": entry["implementation"],
        "version": platform_version() if own else version_in(image.get("tag") or (image.get("build") or {}).get("version")),
        "port": port, "url": url, "origin": "an image", "program": name, "health": health, "chaos": dict(entry["chaos"]),
        "binary": None, "image": None, "log": str(environment.logs / f"{name}.log"), "patience_s": 10,
        "job": bool(entry.get("job")),
    } | kept  # fmt: skip


def make_folders(environment: Environment) -> list[str]:
    """The folders of an environment of containers, each 0700; returns those that were made or got their mode back."""
    made = []
    for folder in (environment.root, environment.config, environment.logs, environment.chaos, environment.journal):
        if not folder.is_dir() or folder.stat().st_mode & 0o777 != 0o700:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            made.append(str(folder))
    return made


def _absent(name: str, entry: Mapping[str, Any], reason: str) -> dict[str, Any]:
    stands_in = servers.EMBEDDED if entry.get("store") else entry["implementation"]
    return {"name": name, "title": entry["title"], "implementation": stands_in, "reason": reason}


def _usable(state: Any) -> dict[str, Any]:
    whole = isinstance(state, dict) and state.get("kind") == "compose" and isinstance(state.get("engine"), dict)
    return dict(state) if whole else {}


def to_build(
    state: Mapping[str, Any], catalogue: Mapping[str, Mapping[str, Any]], images: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The images of its services that are built here: the project's own always, the others where none can be pulled."""
    names = dict.fromkeys(str(catalogue[item["name"]].get("image") or item["name"]) for item in state["services"])
    local = state["engine"]["images"] == "local"
    return [
        name
        for name in names
        if (image := images.get(name) or {}).get("build") and (local or not image.get("repository"))
    ]
