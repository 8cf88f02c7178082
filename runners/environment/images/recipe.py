"""How an image is built, as the inventory's images.yml says it: a stage of our own Dockerfiles, or a stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runners.lib.errors import FileError

OWN = "Dockerfile"
RUNNER = "Dockerfile.runner"
SERVICE = "Dockerfile.service"


@dataclass(frozen=True)
class Recipe:
    """name: the service's. version: the readable part of the tag. target: the stage of `dockerfile`, empty for its last.

    packages: of Debian, for a stand-in; binaries: programs of this machine, and where each lies in the image.
    """

    name: str
    version: str
    dockerfile: str
    target: str = ""
    packages: tuple[str, ...] = ()
    binaries: tuple[tuple[str, str], ...] = ()

    @property
    def repository(self) -> str:
        return f"testbed/{self.name}"


def recipe(name: str, described: Mapping[str, Any]) -> Recipe:
    """From an entry's `build`. Raises FileError: it has none, or names nothing to build from."""
    build = described.get("build")
    if not isinstance(build, Mapping) or not build.get("version"):
        raise FileError(f"testbed_images.{name} does not say how it is built", remedy="give it build: {version: …}")
    version = str(build["version"])
    if target := build.get("target"):
        return Recipe(name, version, RUNNER if target == "runner" else OWN, target=str(target))
    packages, binaries = tuple(build.get("packages") or ()), tuple((build.get("binaries") or {}).items())
    if not packages and not binaries:
        raise FileError(
            f"testbed_images.{name}.build names nothing to build from", remedy="add target, packages or binaries"
        )
    return Recipe(name, version, SERVICE, packages=packages, binaries=binaries)
