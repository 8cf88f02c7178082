"""Inventories: found by name or path, and checked before anything starts.

A folder with hosts.yml is provisioned by playbooks; one with target.yml alone describes a deployment that exists.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from runners.config import document
from runners.config.document import Document, Strict
from runners.config.lookup import inventories
from runners.environment import variables
from runners.environment.host.impact import order
from runners.environment.host.ports import numbers
from runners.lib.errors import FileError
from runners.lib.text import did_you_mean

Kind = Literal["local", "compose", "remote", "external"]
_KINDS: dict[str, Kind] = {"engine": "compose", "platform": "local"}

DEFAULT = "local"
Fault = Literal["kill", "stop", "pause", "restart"]


class HttpHealth(Strict):
    """port: the name of a further port, where it is asked on another one than it serves."""

    kind: Literal["http"]
    path: str
    port: str | None = None


class PostgresHealth(Strict):
    kind: Literal["postgres"]
    user: str
    database: str
    password: str


class RedisHealth(Strict):
    kind: Literal["redis"]
    password: str


class Stop(Strict):
    """signal and patience (seconds) of an orderly stop; orphaned: what the kernel sends when supervisord dies."""

    signal: Literal["TERM", "INT", "QUIT"]
    patience: int
    orphaned: Literal["KILL", "QUIT", "TERM"]


class Chaos(Strict):
    allowed: bool
    faults: tuple[Fault, ...] = ()
    kill_costs: str = ""


class ContainerHealth(Strict):
    """The engine asks it, by the health check of its image."""

    kind: Literal["container"]


class Service(Strict):
    """One entry of the catalogue; see services.yml of the inventories local and compose for what each key means."""

    title: str
    implementation: Literal["real", "embedded", "reference"]
    requires: tuple[str, ...] = ()
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    scheme: str | None = None
    health: Annotated[HttpHealth | PostgresHealth | RedisHealth | ContainerHealth, Field(discriminator="kind")]
    stop: Stop | None = None
    chaos: Chaos
    image: str | None = None
    profile: str | None = None
    published: bool = True
    job: bool = False
    optional: bool = False
    binary: tuple[str, ...] = ()
    store: Literal["logs", "metrics", "traces"] | None = None
    ports: dict[str, Annotated[int, Field(gt=0, lt=65536)]] = Field(default_factory=dict)
    inside: dict[str, Annotated[int, Field(gt=0, lt=65536)]] = Field(default_factory=dict)


class Catalogue(Strict):
    """services.yml. testbed_supervisor_port: null where no supervisord runs them."""

    testbed_services: dict[str, Service]
    testbed_accounts: tuple[str, ...]
    testbed_supervisor_port: Annotated[int, Field(gt=0, lt=65536)] | None = None

    @property
    def requires(self) -> dict[str, tuple[str, ...]]:
        return {name: service.requires for name, service in self.testbed_services.items()}

    @property
    def ports(self) -> dict[str, int]:
        """Of the first block, further ones and supervisord's included."""
        entries = {name: service.model_dump() for name, service in self.testbed_services.items()}
        return numbers(entries, self.testbed_supervisor_port)


@dataclass(frozen=True)
class Inventory:
    """catalogue: None for an external deployment."""

    folder: Path
    catalogue: Catalogue | None
    kind: Kind = "local"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def target(self) -> Path:
        return self.folder / "target.yml"


def find(name: str) -> Path:
    """The folder of an inventory. Raises FileError with the nearest name."""
    if "/" in name:
        if not Path(name).is_dir():
            raise FileError("no such inventory folder", file=name, remedy="check the path")
        return Path(name).absolute()
    for folder in inventories():
        if (folder / name).is_dir():
            return (folder / name).absolute()
    raise FileError(
        f"no inventory '{name}' here or among the shipped ones",
        file=name, remedy=did_you_mean(name, names()),
    )  # fmt: skip


def of_environment(name: str) -> Path:
    """The inventory of an environment that names none: the one of its name, else `local`: environments stand side by side.

    Raises FileError for a name so near to an inventory's that it is a typing error.
    """
    known = names()
    if name in known or "/" in name:
        return find(name)
    if close := difflib.get_close_matches(name, known, n=1, cutoff=0.75):
        raise FileError(
            f"no inventory '{name}' here or among the shipped ones", file=name,
            remedy=f"did you mean '{close[0]}'? Another environment of that name: testbed up {name} --inventory {close[0]}",
        )  # fmt: skip
    return find(DEFAULT)


def names() -> list[str]:
    """Inventories that can be named."""
    return sorted(
        {path.name for folder in inventories() if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    )


def load(folder: Path) -> Inventory:
    """Read and check it. Raises FileError with file, line and remedy."""
    if not (folder / "target.yml").is_file():
        raise FileError(
            "no such file", file=folder / "target.yml", remedy="an inventory needs one: it says what is tested"
        )
    if not (folder / "hosts.yml").is_file():
        return Inventory(folder, None, "external")
    hosts = document.read(folder / "hosts.yml", ansible=True)
    groups = hosts.data if isinstance(hosts.data, dict) else {}
    kind = next((kind for group, kind in _KINDS.items() if isinstance(groups.get(group), dict)), None)
    if kind is None:
        raise hosts.error(
            "neither the group 'platform' nor 'engine' is there", (),
            "name the hosts that carry the services under platform:, or the host of the container engine under engine:",
        )  # fmt: skip
    if kind == "local":
        kind = _of_platform(hosts, groups["platform"])
    source = document.read(folder / "group_vars" / "all" / "services.yml")
    catalogue = document.check(source, Catalogue)
    for name, entry in catalogue.testbed_services.items() if kind in ("local", "remote") else ():
        for key in ("port", "scheme", "stop"):
            if getattr(entry, key) is None:
                raise source.error(f"'{key}' is missing: a process needs it", ("testbed_services", name))
    try:
        order(catalogue.requires)
    except ValueError as error:
        raise source.error(str(error), ("testbed_services",)) from None
    variables.check((document.read(path, ansible=True) for path in variables.files(folder)), variables.known())
    return Inventory(folder, catalogue, kind)


def _of_platform(hosts: Document, group: Any) -> Kind:
    """Is the host that carries the services this machine? Raises FileError unless there is exactly one."""
    members = group.get("hosts") or {}
    if not isinstance(members, dict) or len(members) != 1:
        raise hosts.error(
            f"the group 'platform' has {len(members)} hosts", ("platform", "hosts"),
            "one host carries all services; further hosts go to runner_hosts or load_workers",
        )  # fmt: skip
    (variables,) = members.values()
    shared = group.get("vars") or {}
    connection = {**shared, **(variables or {})}.get("ansible_connection", "ssh")
    return "local" if connection == "local" else "remote"


def chosen(catalogue: Catalogue, only: tuple[str, ...], file: Any) -> tuple[str, ...]:
    """The given service names, checked. Raises FileError with the nearest name."""
    for name in only:
        if name not in catalogue.testbed_services:
            raise FileError(
                f"no service '{name}' in the catalogue",
                file=file,
                remedy=did_you_mean(name, catalogue.testbed_services),
            )
    return only
