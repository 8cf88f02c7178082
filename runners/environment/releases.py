"""Releases of an environment: what a provisioning that ended well was made from, kept so that it can be made again.

A release is a copy of the inventory, the settings of `up`, and the versions of all programs. Not the rendered files: they
hold secrets, which may have been rotated since. Why: docs/adr/0005-releases.md.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Environment

KEPT = 10
_PARTS = ("hosts.yml", "target*.yml", "group_vars/**/*", "host_vars/**/*")
_PACKAGES = ("observastack-testbed", "observastack")


@dataclass(frozen=True)
class Release:
    """number: counted from 1; wanted: the settings of `up`; versions: by package and service; digest: of all of that and
    of the inventory; folder: its own, with the copy of the inventory."""

    number: int
    recorded_at: float
    wanted: dict[str, Any]
    versions: dict[str, str]
    digest: str
    folder: Path

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    def to_json(self) -> dict[str, Any]:
        return {
            "release": self.number, "recorded_at": self.recorded_at, "wanted": self.wanted, "versions": self.versions,
            "digest": self.digest,
        }  # fmt: skip


def known(environment: Environment) -> list[Release]:
    """Oldest first; what is not whole is none."""
    found = []
    for path in environment.releases.glob("*/release.json"):
        document = read_json(path)
        if isinstance(document, dict):
            values = {key: document[key] for key in ("recorded_at", "wanted", "versions", "digest")}
            found.append(Release(document["release"], **values, folder=path.parent))
    return sorted(found, key=lambda release: release.number)


def record(environment: Environment, inventory: Path, *, dry: bool = False) -> tuple[int, bool]:
    """Note what the environment was just made from; (its number, whether anything was written).

    What equals an earlier release is that release again: a second `up` writes nothing. dry: only tell.
    """
    state = read_json(environment.state) or {}
    releases = known(environment)
    wanted, versions = dict(state.get("wanted") or {}), versions_of(state)
    digest = _digest(inventory, wanted, versions)
    same = next((release for release in reversed(releases) if release.digest == digest), None)
    number = same.number if same else max((release.number for release in releases), default=0) + 1
    changed = same is None or state.get("release") != number
    if changed and not dry:
        if same is None:
            _write(environment, Release(number, round(time.time(), 3), wanted, versions, digest,
                                        environment.releases / str(number)), inventory)  # fmt: skip
            for old in releases[: max(0, len(releases) + 1 - KEPT)]:
                shutil.rmtree(old.folder)
        write_json(environment.state, {**state, "release": number})
    return number, changed


def versions_of(state: Mapping[str, Any]) -> dict[str, str]:
    """Of our packages, and of every service as recorded."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {service["name"]: str(service["version"]) for service in state.get("services") or []}


def choose(environment: Environment, number: int = 0) -> Release:
    """The release to go back to. number: this one; 0: the last good one, which is the one before what runs now, or the
    last that ran where nothing does. Raises NotReady."""
    state, releases = read_json(environment.state) or {}, known(environment)
    if not releases:
        raise NotReady(
            f"environment '{environment.name}' has no release to go back to",
            remedy=f"a testbed up {environment.name} that ends well makes one",
        )
    if number:
        chosen = [release for release in releases if release.number == number]
    elif state.get("state") in ("ready", "degraded"):
        chosen = [release for release in releases if release.number < int(state.get("release") or 0)]
    else:
        chosen = [release for release in releases if release.number == state.get("release")] or releases
    if not chosen:
        there = ", ".join(str(release.number) for release in releases)
        raise NotReady(
            f"environment '{environment.name}' has no release {number}" if number
            else f"environment '{environment.name}' runs its first release",
            remedy=f"releases: {there}; name one with --to",
        )  # fmt: skip
    return chosen[-1]


def other_versions(release: Release, state: Mapping[str, Any]) -> list[str]:
    """What a rollback cannot bring back: packages and servers that are installed in another version now."""
    now = versions_of(state)
    return [
        f"{name} was {was}, now it is {now[name]}"
        for name, was in release.versions.items()
        if name in now and now[name] != was
    ]


def _files(inventory: Path) -> Iterator[Path]:
    for part in _PARTS:
        yield from sorted(path for path in inventory.glob(part) if path.is_file())


def _digest(inventory: Path, wanted: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps([wanted, versions], sort_keys=True).encode())
    for path in _files(inventory):
        total.update(f"\0{path.relative_to(inventory)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def _write(environment: Environment, release: Release, inventory: Path) -> None:
    """Whole or not at all."""
    environment.releases.mkdir(mode=0o700, exist_ok=True)
    draft = environment.releases / f"{release.number}.new"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "inventory").mkdir(parents=True)
    for path in _files(inventory):
        target = draft / "inventory" / path.relative_to(inventory)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o600)
    for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    write_json(draft / "release.json", release.to_json())
    draft.rename(release.folder)
