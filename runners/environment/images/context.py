"""The build context of an image: exactly the files that decide about its content, so that their hash can be its tag."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runners.environment.host import binaries, keycloak
from runners.environment.images.recipe import RUNNER, SERVICE, Recipe
from runners.lib.errors import NotReady

IMAGES = "observastack/images"
SHIPPED = ("compose", "local", "remote")
ROOT = "rootfs"
"""Below it lies, in the context of a stand-in, what is copied to the image's root: each file once, so in one layer."""
_MADE = {"__pycache__", "node_modules", "dist", ".vite", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
# What of the platform's package no image of its services needs.
_ASIDE = _MADE | {"frontend", "tests", "images", "grafana", "compose.yaml", "compose.test.yaml", "pyproject.toml"}


@dataclass(frozen=True)
class Context:
    """files: path in the context → where it lies on this machine."""

    dockerfile: str
    files: Mapping[str, Path]

    def digest(self, arguments: Mapping[str, str]) -> str:
        """SHA-256 over the names, modes and contents of all files and the build arguments that change the result."""
        total = hashlib.sha256()
        for name, value in sorted(arguments.items()):
            total.update(f"{name}={value}\0".encode())
        for path in sorted(self.files):
            source = self.files[path]
            with source.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path}\0{int(os.access(source, os.X_OK))}\0{content}\0".encode())
        return total.hexdigest()

    def write(self, folder: Path) -> Path:
        """Copy it there; returns the Dockerfile's place. Modes are made equal, whatever umask the checkout was made with."""
        for path, source in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        # COPY wants the folder, also where a stand-in takes nothing from this machine.
        (folder / ROOT).mkdir(exist_ok=True)
        for below in folder.rglob("*"):
            if below.is_dir():
                below.chmod(0o755)
        return folder / self.dockerfile


def context(recipe: Recipe, *, prebuilt: bool = False) -> Context:
    """The files of an image. prebuilt: the frontend as it is built here. Raises NotReady: something is not on this machine."""
    platform = _folder("observastack")
    images = platform / "images"
    files = {f"{IMAGES}/{recipe.dockerfile}": images / recipe.dockerfile}
    files |= _below(images / "tools", f"{IMAGES}/tools")
    if recipe.dockerfile == SERVICE:
        files |= _below(images / "services" / recipe.name, f"{IMAGES}/services/{recipe.name}")
        for name, place in recipe.binaries:
            files |= _binary(name, f"{ROOT}{place}")
    elif recipe.dockerfile == RUNNER:
        files |= {f"{IMAGES}/requirements-runner.txt": images / "requirements-runner.txt"}
        for package in ("runners", "tui", "playbooks"):
            files |= _below(_folder(package), package)
        for name in SHIPPED:  # an inventory that was made beside them tells of somebody's hosts, and may hold a vault
            files |= _below(_folder("inventories") / name, f"inventories/{name}", below=_MADE | {"vault.yml"})
        files |= _below(images / "runner", f"{IMAGES}/runner")
    else:
        files |= {f"{IMAGES}/requirements.txt": images / "requirements.txt"}
        files |= _below(platform, "observastack", aside=_ASIDE)
        if recipe.target == "web":
            files |= _frontend(platform, images, prebuilt)
    return Context(f"{IMAGES}/{recipe.dockerfile}", files)


def can_build_frontend() -> bool:
    """Are the sources of the pages here? An installed package has only the built ones."""
    return (_folder("observastack") / "frontend" / "package-lock.json").is_file()


def _frontend(platform: Path, images: Path, prebuilt: bool) -> dict[str, Path]:
    folder = platform / "frontend"
    if prebuilt:
        if not (folder / "dist" / "index.html").is_file():
            raise NotReady("the frontend is not built, and its sources are not here", remedy="make frontend")
        return _below(folder / "dist", "observastack/frontend/dist")
    files = _below(folder, "observastack/frontend")
    return files | {f"{IMAGES}/requirements-node.txt": images / "requirements-node.txt"}


def _binary(name: str, place: str) -> dict[str, Path]:
    """A program, or for kc.sh its whole distribution."""
    found = keycloak.find() if name == "kc.sh" else binaries.server([name])
    if isinstance(found, binaries.Broken):
        raise NotReady(str(found), remedy="put one that runs into the folder that TESTBED_BIN_DIR names")
    if found is not None and name != "kc.sh":
        return {place: found.folder / found.program}
    if found is not None and (home := keycloak.home_of(found.folder / found.program)) is not None:
        # Data and settings of an instance that ran there are nobody else's: the latter may hold a password.
        return _below(home, place, aside={"data"}, below={"keycloak.conf"})
    raise NotReady(f"{name} is not on this machine", remedy="put it into the folder that TESTBED_BIN_DIR names")


def _below(
    folder: Path, prefix: str, *, aside: set[str] | None = None, below: set[str] | None = None
) -> dict[str, Path]:
    """All files of a folder but entries of these names: `aside` in the folder itself, `below` in all folders under it."""
    if not folder.is_dir():
        raise NotReady("the sources of images are not here", file=folder, remedy="install observastack completely")
    deeper = _MADE if below is None else below
    found = _walk(folder, deeper if aside is None else aside, deeper)
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in found}


def _walk(folder: Path, aside: set[str], deeper: set[str]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in aside:
            continue
        if entry.is_dir():
            yield from _walk(entry, deeper, deeper)
        elif entry.is_file():
            yield entry


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if not places:
        raise NotReady(f"the package {package} is not installed", remedy="install the testbed with its extra: platform")
    return Path(places[0])
