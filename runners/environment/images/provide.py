"""Have the images that were asked for: what is there by its content's hash stays as it is, the rest is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from runners.environment.images import engine
from runners.environment.images.context import can_build_frontend, context
from runners.environment.images.recipe import SERVICE, Recipe, recipe
from runners.lib.errors import FileError
from runners.lib.text import did_you_mean

WORKERS = 2


@dataclass(frozen=True)
class Provided:
    """images: name → repository:tag. built: those that were not there, with the seconds each took."""

    images: dict[str, str]
    built: dict[str, float] = field(default_factory=dict)


def provide(
    names: Sequence[str],
    described: Mapping[str, Mapping[str, Any]],
    *,
    base: str = "",
    frontend: str = "auto",
    fetching: engine.Fetching | None = None,
    dry: bool = False,
) -> Provided:
    """described: `testbed_images` of the inventory. frontend: built | prebuilt | auto. dry: build nothing, only tell.

    Raises FileError (names, descriptions), NotReady (engine, programs), BuildFailed.
    """
    recipes = [_find(name, described) for name in dict.fromkeys(names)]
    chosen = engine.base_image(base, official_base(described))
    prebuilt = frontend == "prebuilt" or (frontend == "auto" and not can_build_frontend())
    base_id = engine.image_id(chosen) or chosen

    def one(wanted: Recipe) -> tuple[str, float | None]:
        files = context(wanted, prebuilt=prebuilt)
        arguments = _arguments(wanted, chosen, prebuilt)
        digest = files.digest({**arguments, "base": base_id, "target": wanted.target})
        reference = f"{wanted.repository}:{wanted.version}-{digest[:12]}"
        if engine.image_id(reference) is not None:
            return reference, None
        if dry:
            return reference, 0.0
        fetch = fetching or engine.Fetching()
        return reference, engine.build(wanted, files, reference, arguments, fetch, digest=digest)

    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = dict(zip((wanted.name for wanted in recipes), pool.map(one, recipes), strict=True))
    return Provided(
        {name: reference for name, (reference, _) in outcomes.items()},
        {name: round(seconds, 1) for name, (_, seconds) in outcomes.items() if seconds is not None},
    )


def prune(current: Mapping[str, str], *, dry: bool = False) -> list[str]:
    """Remove what was built for these names but is not current; what a container uses stays. dry: only tell."""
    old = [tag for name, reference in current.items() for tag in engine.tags(name) if tag != reference]
    return [tag for tag in old if dry or engine.remove_unused(tag)]


def withdraw(names: Sequence[str]) -> list[str]:
    """Remove all images of these names that were built here; returns what is gone. Raises TestbedError: one is in use."""
    return [reference for name in names for reference in engine.tags(name) if engine.remove(reference)]


def official_base(described: Mapping[str, Mapping[str, Any]]) -> str:
    """What builds begin with where nothing else is chosen: by digest, once images-lock has run."""
    if (entry := described.get("base")) is None:
        return engine.OFFICIAL_BASE
    return f"{entry['repository']}:{entry['tag']}" + (f"@{entry['digest']}" if entry.get("digest") else "")


def _find(name: str, described: Mapping[str, Mapping[str, Any]]) -> Recipe:
    if name not in described:
        raise FileError(f"no image '{name}' in testbed_images", remedy=did_you_mean(name, described))
    return recipe(name, described[name])


def _arguments(wanted: Recipe, base: str, prebuilt: bool) -> dict[str, str]:
    arguments = {"BASE_IMAGE": base}
    if wanted.dockerfile == SERVICE:
        arguments |= {"SERVICE": wanted.name, "PACKAGES": " ".join(wanted.packages)}
    if wanted.target == "web":
        arguments["FRONTEND"] = "frontend-prebuilt" if prebuilt else "frontend-built"
    return arguments
