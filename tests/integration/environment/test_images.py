"""Building images on a real engine: once, with what was asked, as nobody; and what is said when it cannot be done."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners.config.lookup import PROJECT
from runners.environment.images import engine, lock
from runners.environment.images.context import Context
from runners.environment.images.provide import provide, prune, withdraw
from runners.environment.images.recipe import Recipe
from runners.lib.errors import NotReady

IMAGES: dict[str, Any] = yaml.safe_load(
    (PROJECT / "inventories" / "compose" / "group_vars" / "all" / "images.yml").read_text()
)["testbed_images"]


def _absent() -> str | None:
    try:
        return None if engine.image_id(engine.STAND_IN_BASE) else f"the engine has no image {engine.STAND_IN_BASE}"
    except NotReady as error:
        return error.what


needs_engine = pytest.mark.skipif((absent := _absent()) is not None, reason=str(absent))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Recipe, Context]]:
    """An image of nothing but the base and one file, under a name that no service has."""
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY said /said\nRUN cat /said\n")
    (tmp_path / "said").write_text("something\n")
    made = Recipe(f"trial-{tmp_path.name.replace('_', '-')}", "1", "Dockerfile")
    yield made, Context("Dockerfile", {name: tmp_path / name for name in ("Dockerfile", "said")})
    withdraw([made.name])


def build(made: Recipe, context: Context, reference: str) -> None:
    engine.build(made, context, reference, {"BASE_IMAGE": engine.STAND_IN_BASE}, engine.Fetching(), digest="d" * 64)


@needs_engine
def test_an_image_is_found_by_its_label_and_removed_without_a_trace(small: tuple[Recipe, Context]) -> None:
    made, context = small
    assert engine.tags(made.name) == []
    build(made, context, f"{made.repository}:1-a")
    build(made, context, f"{made.repository}:1-b")
    assert engine.tags(made.name) == [f"{made.repository}:1-a", f"{made.repository}:1-b"]
    assert engine.size(f"{made.repository}:1-a") > 1e6
    assert prune({made.name: f"{made.repository}:1-b"}, dry=True) == [f"{made.repository}:1-a"]
    assert prune({made.name: f"{made.repository}:1-b"}) == [f"{made.repository}:1-a"]
    assert engine.tags(made.name) == [f"{made.repository}:1-b"]
    build(made, context, f"{made.repository}:1-a")
    assert withdraw([made.name]) == [f"{made.repository}:1-a", f"{made.repository}:1-b"]
    assert engine.tags(made.name) == [] and engine.size(f"{made.repository}:1-a") == 0


@needs_engine
def test_a_build_that_fails_shows_its_last_lines(small: tuple[Recipe, Context]) -> None:
    made, context = small
    context.files["Dockerfile"].write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo a rare sentence; exit 3\n")
    with pytest.raises(engine.BuildFailed, match="a rare sentence") as caught:
        build(made, context, f"{made.repository}:1-c")
    assert made.name in caught.value.what and "exit code: 3" in caught.value.what
    assert engine.tags(made.name) == []


@needs_engine
def test_a_stand_in_is_built_once_and_runs_as_nobody() -> None:
    first = provide(["redis"], IMAGES, base=engine.STAND_IN_BASE)
    again = provide(["redis"], IMAGES, base=engine.STAND_IN_BASE)
    assert again.images == first.images and again.built == {}
    shown = subprocess.run(["docker", "image", "inspect", first.images["redis"]], capture_output=True, check=True)
    found = json.loads(shown.stdout)[0]["Config"]
    assert found["User"] == "10001:10001"
    assert found["Healthcheck"]["Test"] == ["CMD", "/opt/service/healthcheck"]
    assert found["Labels"]["testbed.image"] == "redis"
    assert found["Labels"]["testbed.content"].startswith(first.images["redis"].rpartition("-")[2])


@needs_engine
def test_telling_what_would_be_built_builds_nothing() -> None:
    described = {"redis": {**IMAGES["redis"], "build": {"version": "told", "packages": ["redis-server", "bc"]}}}
    told = provide(["redis"], described, base=engine.STAND_IN_BASE, dry=True)
    assert set(told.built) == {"redis"}
    assert engine.image_id(told.images["redis"]) is None


@needs_engine
def test_digests_are_had_from_a_registry_or_not_at_all() -> None:
    described = {"redis": {"repository": "127.0.0.1:1/library/redis", "tag": "7"}, "backend": IMAGES["backend"]}
    with pytest.raises(
        NotReady, match=r"127\.0\.0\.1:1/library/redis:7 cannot be pulled: .*connection refused"
    ) as caught:
        lock.digests(described)
    assert "nothing was written" in str(caught.value)
    assert lock.digests({"backend": IMAGES["backend"]}) == {}
    assert engine.repo_digest(engine.STAND_IN_BASE) is None


def test_without_an_engine_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(NotReady, match=r"no Docker engine answers|docker is not on PATH"):
        engine.image_id("debian")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReady, match="docker is not on PATH"):
        engine.image_id("debian")


def test_the_ca_bundle_is_the_chosen_one_or_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    own = tmp_path / "own.pem"
    own.write_text("x")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert engine.ca_bundle() == own
    with pytest.raises(NotReady, match="no such CA bundle"):
        engine.ca_bundle(str(tmp_path / "absent.pem"))
