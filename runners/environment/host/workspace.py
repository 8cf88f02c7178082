"""The one place where the facts of an environment are decided: identity, ports, binaries, accounts.

Facts are decided once, at the first provisioning, and kept in state.json: written before anything else exists, so that
whatever is killed at whatever moment, `down` knows what to look for.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from runners.environment.host import binaries, entries, folders, launch, ports, programs, servers
from runners.environment.host.entries import HOST
from runners.environment.host.servers import Identity, Stores
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

SUPERVISOR = ports.SUPERVISOR
STATE_VERSION = 1


@dataclass(frozen=True)
class Prepared:
    """state: the content of state.json; facts: what roles need beside it; changed: what was made or decided anew; drift: the
    same as items of `testbed drift`."""

    state: dict[str, Any]
    facts: dict[str, Any]
    changed: list[str]
    drift: list[dict[str, str | None]] = field(default_factory=list)


def prepare(
    environment: Environment,
    catalogue: Mapping[str, Mapping[str, Any]],
    *,
    supervisor_port: int,
    inventory: str,
    target_file: str,
    only: Collection[str] = (),
    defects: Collection[str] = (),
    port_offset: int = -1,
    stores: Stores = "embedded",
    identity: Identity = "local",
    bind: str = HOST,
    dry: bool = False,
) -> Prepared:
    """Make the folders and state.json, or find them as they are. bind: the address of what clients reach; dry: only tell
    what would change.

    Raises Unprovidable, ports.NoFreePorts, accounts.NoAccount, ValueError (the catalogue is not sound).
    """
    selection, real = programs.choose_services(catalogue, only, stores=stores, identity=identity)
    names, requires = selection.present, servers.requirements(catalogue, selection, identity=identity)
    earlier = _usable(read_json(environment.state))
    changed = folders.make_folders(environment, [name for name in names if name == "redis" or name in real], dry=dry)
    changed += folders.forget_programs(environment, names, dry=dry)
    env_id = str(earlier.get("env_id") or uuid.uuid4())
    defaults = ports.numbers(catalogue, supervisor_port)
    offset = ports.kept(earlier.get("ports") or {}, defaults)
    if offset is None:
        offset = (
            port_offset
            if port_offset >= 0
            else ports.choose(defaults, reserved=reserved(environment), free=partial(ports.is_free, hosts=(HOST, bind)))
        )
    numbers = {name: port + offset for name, port in defaults.items()}
    account, cluster, outside = folders.place_cluster(environment, env_id)
    found = programs.required_servers(names, cluster) | real
    facts: dict[str, Any] = {
        "env_id": env_id, "root": os.geteuid() == 0, "ports": numbers, "account": None if account is None else account.pw_name,
        "cluster": str(cluster), "outside": [str(path) for path in outside],
        "binaries": {name: binary.to_json() for name, binary in found.items()},
        "lz4": "postgres" in found and binaries.has_lz4(found["postgres"].folder),
        "stores": selection.stores, "identity": identity, "alert_rules": str(binaries.alert_rules()),
        "python": sys.executable, "launcher": launch.__file__, **_layout(environment, numbers, bind),
    }  # fmt: skip
    state: dict[str, Any] = {
        "v": STATE_VERSION, "environment": environment.name, "kind": "local", "state": "provisioning",
        "env_id": env_id, "inventory": inventory, "target_file": target_file,
        "urls": entries.urls({name: numbers[name] for name in names}, bind), "ports": numbers,
        "stores": selection.stores, "identity": identity,
        "services": [
            entries.service(environment, name, catalogue[name], numbers, found.get(name), bind=bind)
            | {"requires": requires[name], "note": selection.notes.get(name)}
            for name in names
        ],
        "absent": [entries.absent_service(name, catalogue[name], reason) for name, reason in selection.absent.items()],
        "supervisor": {
            "url": f"http://{HOST}:{numbers[SUPERVISOR]}", "username": "testbed",
            "password_file": str(environment.secrets / "supervisor_password"), "pid": None, "start": None,
        },
        "defects": sorted(defects), "outside": facts["outside"], "provisioned_at": None,
        "wanted": {"only": sorted(only), "defects": sorted(defects), "stores": stores, "identity": identity},
    }  # fmt: skip
    if earlier:
        for key in ("state", "provisioned_at"):
            state[key] = earlier[key]
        if "release" in earlier:
            state["release"] = earlier["release"]
        if "took_s" in earlier:
            state["took_s"] = {name: took for name, took in earlier["took_s"].items() if name in names}
        state["supervisor"] |= {key: earlier["supervisor"][key] for key in ("pid", "start")}
        if state["state"] in ("failed", "absent"):  # rolled back, or data that was kept
            state["state"] = "provisioning"
    if state != earlier:
        changed.append(str(environment.state))
        if not dry:  # until all of it holds, nobody may take it for ready: this may be killed
            write_json(environment.state, state | {"state": "provisioning"})
    for path in outside:  # after state.json, which names them
        if not path.is_dir() or path.stat().st_mode & 0o777 != folders.PASSABLE:
            changed.append(str(path))
            if not dry:
                path.mkdir(exist_ok=True)
                path.chmod(folders.PASSABLE)  # whatever the umask
    # What is not there cannot be tried as another user.
    triable = not dry or all(path.is_dir() for path in outside)
    if account is not None and found.get("postgres") is not None and triable:
        programs.make_reachable(facts, account, Path(facts["outside"][0]) if outside else None, changed, dry=dry)
    return Prepared(state, facts, changed, _drift(environment, changed, earlier, state))


def _layout(environment: Environment, numbers: Mapping[str, int], bind: str) -> dict[str, Any]:
    """Where services listen, are reached and keep what they keep: what differs between processes and containers.

    public: where clients reach what is for them; addresses: by the name of a port; seen_secrets: the folder of secrets as a service sees it; mode: of rendered files.
    """
    return {
        "listen": HOST, "public": bind,
        "addresses": {name: {"host": entries.host_of(name, bind), "port": port} for name, port in numbers.items()},
        "folders": {name: str(environment.data / name) for name in ("redis", "loki", "tempo")} | {"sockets": ""},
        "seen_secrets": f"{environment.secrets}/", "mode": "0600",
    }  # fmt: skip


def _drift(
    environment: Environment, changed: Collection[str], earlier: Mapping[str, Any], state: Mapping[str, Any]
) -> list[dict[str, str | None]]:
    """What was found otherwise, item by item."""

    def item(service: str | None, kind: str, path: str, expected: object, found: object) -> dict[str, str | None]:
        return {"service": service, "kind": kind, "path": path, "expected": str(expected), "found": str(found)}

    items = []
    for path in map(Path, changed):
        if path == environment.state:
            before, after = _flat(earlier), _flat(state)
            for key in sorted(key for key in {*before, *after} if before.get(key) != after.get(key)):
                service = key.split(".")[1] if key.startswith("services.") else None
                items.append(item(service, "recorded", key, after.get(key, "nothing"), before.get(key, "nothing")))
        elif path.suffix == ".conf":
            items.append(item(path.stem, "configuration", str(path), "nothing", "a file"))
        else:
            found = f"mode {path.stat().st_mode & 0o777:04o}" if path.is_dir() else "nothing"
            right = folders.PASSABLE if folders.OUTSIDE in path.parents else 0o700
            items.append(item(None, "configuration", str(path), f"a folder with mode {right:04o}", found))
    return items


def _flat(value: Any, at: str = "") -> dict[str, Any]:
    """Leaves by dotted path; entries of a list that have a name go by it."""
    if isinstance(value, Mapping):
        return {
            k: v for key, entry in value.items() for k, v in _flat(entry, f"{at}.{key}" if at else str(key)).items()
        }
    if isinstance(value, list) and value and all(isinstance(entry, Mapping) and "name" in entry for entry in value):
        return {k: v for entry in value for k, v in _flat(entry, f"{at}.{entry['name']}").items()}
    return {at: value}


def reserved(environment: Environment) -> set[int]:
    """Ports of the other environments of this home, running or not."""
    found: set[int] = set()
    for path in environment.root.parent.glob("*/state.json"):
        if path != environment.state:
            found |= {int(port) for port in ((read_json(path) or {}).get("ports") or {}).values()}
    return found


def finish(environment: Environment, changes: Mapping[str, Any]) -> bool:
    """Say in state.json that all is ready; False when it said so already. changes: what else became known."""
    earlier = read_json(environment.state) or {}
    document = dict(earlier) | dict(changes) | {"state": "ready"}
    if document == earlier:
        return False
    write_json(environment.state, document | {"provisioned_at": round(time.time(), 3)})
    return True


def _usable(state: Any) -> dict[str, Any]:
    whole = isinstance(state, dict) and state.get("kind") == "local" and isinstance(state.get("supervisor"), dict)
    return dict(state) if whole else {}
