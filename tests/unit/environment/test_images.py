"""What an image is built from, and that the hash in its tag changes with that and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners.config.lookup import PROJECT
from runners.environment.images import context as contexts
from runners.environment.images import lock
from runners.environment.images.context import Context, context
from runners.environment.images.provide import official_base, provide
from runners.environment.images.recipe import Recipe, recipe
from runners.lib.errors import FileError, NotReady

IMAGES: dict[str, Any] = yaml.safe_load(
    (PROJECT / "inventories" / "compose" / "group_vars" / "all" / "images.yml").read_text()
)["testbed_images"]
ARGUMENTS = {"BASE_IMAGE": "debian", "base": "sha256:1"}


def files(name: str, **changes: Any) -> set[str]:
    return set(context(recipe(name, IMAGES[name]), **changes).files)


@pytest.mark.parametrize("name", [name for name, entry in IMAGES.items() if entry.get("build")])
def test_every_image_of_the_inventory_has_a_recipe(name: str) -> None:
    made = recipe(name, IMAGES[name])
    assert made.repository == f"testbed/{name}"
    assert (PROJECT / "observastack" / "images" / made.dockerfile).is_file()
    if made.packages or made.binaries:
        folder = PROJECT / "observastack" / "images" / "services" / name
        assert {file.name for file in folder.iterdir()} == {"prepare", "run", "healthcheck"}


def test_an_image_that_says_nothing_about_its_building_is_refused() -> None:
    with pytest.raises(FileError, match=r"testbed_images\.grafana does not say how it is built"):
        recipe("grafana", {"repository": "docker.io/grafana/grafana", "tag": "1"})
    with pytest.raises(FileError, match="names nothing to build from"):
        recipe("redis", {"build": {"version": "7"}})
    with pytest.raises(FileError, match="did you mean 'redis'"):
        provide(["reddis"], IMAGES)


def test_an_image_is_built_from_what_it_needs_and_nothing_else() -> None:
    backend, web = files("backend"), files("web")
    assert {"observastack/backend/app.py", "observastack/store/schema.sql", "observastack/images/Dockerfile"} <= backend
    assert not any(part in path for path in backend for part in ("/tests/", "/frontend/", "compose", "__pycache__"))
    assert "observastack/frontend/package-lock.json" in web and backend < web
    assert not any(part in path for path in web for part in ("node_modules", "/dist/"))
    assert {"runners/cli/main.py", "playbooks/provision.yml", "inventories/local/target.yml"} <= files("runner")
    assert all(path.startswith("observastack/images/") for path in files("redis"))


def test_nobodys_own_hosts_and_secrets_are_in_an_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An inventory is made by copying a shipped one beside it, and a vault begins in clear text."""
    inventories = tmp_path / "inventories"
    shutil.copytree(PROJECT / "inventories", inventories)
    shutil.copytree(inventories / "remote", inventories / "staging")
    vault = inventories / "remote" / "group_vars" / "all" / "vault.yml"
    vault.write_text("testbed_given_secrets: {postgres_password: in-clear-text}\n")
    folder = contexts._folder
    monkeypatch.setattr(contexts, "_folder", lambda name: inventories if name == "inventories" else folder(name))
    found = {path for path in files("runner") if path.startswith("inventories/")}
    assert {path.split("/")[1] for path in found} == {"compose", "local", "remote"}
    assert "inventories/remote/group_vars/all/main.yml" in found
    assert "inventories/remote/group_vars/all/vault.yml" not in found


def test_a_keycloak_that_ran_here_gives_its_program_and_not_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "bin/kc.sh",
        "bin/java",
        "lib/quarkus-run.jar",
        "conf/keycloak.conf",
        "conf/cache-ispn.xml",
        "data/h2/db",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path / "bin"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = {path.partition("/opt/keycloak/")[2] for path in files("keycloak")} - {""}
    assert found == {"bin/kc.sh", "bin/java", "lib/quarkus-run.jar", "conf/cache-ispn.xml"}


def test_a_program_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, program in (("loki", "loki"), ("keycloak", r"kc\.sh")):
        with pytest.raises(NotReady, match=f"{program} is not on this machine"):
            files(name)


@pytest.fixture
def small(tmp_path: Path) -> Context:
    for name, text in (("Dockerfile", "FROM scratch\n"), ("run", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
    return Context("Dockerfile", {name: tmp_path / name for name in ("Dockerfile", "run")})


def test_the_hash_changes_with_content_name_mode_and_arguments(small: Context, tmp_path: Path) -> None:
    first = small.digest(ARGUMENTS)
    assert small.digest(dict(reversed(ARGUMENTS.items()))) == first
    seen = {first, small.digest({**ARGUMENTS, "base": "sha256:2"})}
    seen.add(Context("Dockerfile", {"Dockerfile": tmp_path / "Dockerfile", "ran": tmp_path / "run"}).digest(ARGUMENTS))
    (tmp_path / "run").chmod(0o755)
    seen.add(small.digest(ARGUMENTS))
    (tmp_path / "run").write_text("#!/bin/bash\n")
    seen.add(small.digest(ARGUMENTS))
    assert len(seen) == 5


def test_the_hash_knows_nothing_of_place_time_and_umask(small: Context, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    small.write(other)
    (other / "run").chmod(0o600)
    assert Context("Dockerfile", {name: other / name for name in small.files}).digest({}) == small.digest({})


def test_a_written_context_has_equal_modes_whatever_the_checkout_has(small: Context, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").chmod(0o600)
    (tmp_path / "run").chmod(0o700)
    dockerfile = small.write(tmp_path / "context")
    assert dockerfile.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "context" / "run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "context" / "rootfs").is_dir()


def test_digests_are_written_once_and_read_by_the_inventory(tmp_path: Path) -> None:
    found = {"redis": "sha256:" + "b" * 64, "postgres": "sha256:" + "a" * 64}
    file = tmp_path / "images-lock.yml"
    assert lock.write(file, found)
    assert not lock.write(file, found)
    assert yaml.safe_load(file.read_text()) == {"testbed_digests": found}
    assert lock.write(file, {})
    shipped = PROJECT / "inventories" / "compose" / "group_vars" / "all" / "images-lock.yml"
    assert shipped.read_text() == file.read_text()


def test_what_builds_begin_with_is_pinned_as_all_that_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock.engine, "pull", lambda reference, timeout_s: None)
    monkeypatch.setattr(lock.engine, "repo_digest", lambda reference: f"sha256:{reference}")
    found = lock.digests(IMAGES)
    assert found["base"] == "sha256:docker.io/library/debian:bookworm-slim"
    assert found.keys() == {name for name, entry in IMAGES.items() if entry.get("repository")}
    assert official_base({"base": {**IMAGES["base"], "digest": ""}}) == "docker.io/library/debian:bookworm-slim"
    pinned = {"base": {**IMAGES["base"], "digest": "sha256:1"}}
    assert official_base(pinned) == "docker.io/library/debian:bookworm-slim@sha256:1"


def test_a_recipe_without_a_target_is_a_stand_in() -> None:
    assert recipe("redis", IMAGES["redis"]) == Recipe("redis", "7.0", "Dockerfile.service", packages=("redis-server",))
