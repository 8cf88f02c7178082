"""What is handed on: both wheels have every file that they need and none that they must not, and work elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from tests.packaging.distributions import NAMES, ROOT, NotHere, build, command, install, run, wheel

BUNDLE = ROOT / "observastack" / "frontend" / "dist"
# Folders of the testbed's wheel.
TESTBED = ("runners", "tui", "playbooks", "inventories")
# What the platform's folder has and its wheel does not; anything else that is added there must be in it.
NOT_INSTALLED = tuple(
    f"observastack/{name}" for name in ("frontend/", "tests/", "pyproject.toml", "hatch_build.py", "LICENSE")
)

pytestmark = pytest.mark.skipif(
    not (BUNDLE / "index.html").is_file(),
    reason="the pages are not built (make frontend), and no wheel is made without",
)


def tracked(*folders: str) -> set[str]:
    """Files of the repository in these folders, by path."""
    done = run("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders, cwd=ROOT)
    if done.returncode:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return {line for line in done.stdout.splitlines() if (ROOT / line).is_file()}


def files(archive: Path) -> set[str]:
    """Paths in a wheel; those in a source distribution, without its first folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            return {name for name in opened.namelist() if ".dist-info/" not in name}
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    try:
        build(ROOT, folder)
    except NotHere as reason:
        pytest.skip(str(reason))
    return folder


@pytest.fixture(scope="module")
def programs(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both installed, in a virtual environment of their own."""
    try:
        return install(dist, tmp_path_factory.mktemp("venvs") / "both", platform=True)
    except NotHere as reason:
        pytest.skip(str(reason))


def test_the_testbed_has_every_file_of_its_packages_playbooks_and_inventories(dist: Path) -> None:
    assert files(wheel(dist, "observastack_testbed")) == tracked(*TESTBED)


def test_the_platform_has_its_packages_and_its_built_pages(dist: Path) -> None:
    found = files(wheel(dist, "observastack"))
    pages = {f"observastack/frontend/dist/{path.relative_to(BUNDLE)}" for path in BUNDLE.rglob("*") if path.is_file()}
    assert found >= pages and "observastack/frontend/dist/index.html" in pages
    ours = {path for path in tracked("observastack") if not path.startswith(NOT_INSTALLED)}
    assert found - pages == ours


@pytest.mark.parametrize("name", NAMES)
def test_programs_stay_programs(dist: Path, name: str) -> None:
    """Scripts of images and of playbooks are executable in the checkout, and must be where they are installed."""
    with zipfile.ZipFile(wheel(dist, name)) as opened:
        modes = {item.filename: item.external_attr >> 16 & 0o111 for item in opened.infolist()}
    for path in tracked(*TESTBED, "observastack"):
        if path in modes:
            assert bool(modes[path]) == bool((ROOT / path).stat().st_mode & 0o111), path


@pytest.mark.parametrize("name", NAMES)
def test_neither_has_tests_packages_of_npm_or_leftovers(dist: Path, name: str) -> None:
    parts = {part for path in files(wheel(dist, name)) for part in PurePosixPath(path).parts}
    assert not parts & {"tests", "node_modules", "__pycache__", ".testbed", ".git", "src"}


@pytest.mark.parametrize("builder", [WheelBuilder, SdistBuilder])
def test_inventories_and_vaults_of_ones_own_are_not_packed(builder: Any, tmp_path: Path) -> None:
    """The manual has them made beside the shipped ones, and wheels built from a checkout go to other hosts."""
    project = tmp_path / "project"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "inventories", project / "inventories")
    shutil.copytree(project / "inventories" / "remote", project / "inventories" / "staging")
    (project / "inventories" / "remote" / "group_vars" / "all" / "vault.yml").write_text("secret: in-clear-text\n")
    packed = {item.distribution_path for item in builder(str(project)).recurse_included_files()}
    found = {path for path in packed if path.startswith("inventories/")}
    assert {path.split("/")[1] for path in found} == {"compose", "local", "remote"}
    assert "inventories/remote/group_vars/all/vault.yml" not in found
    assert "inventories/remote/group_vars/all/vault.yml.example" in found


def test_the_source_distribution_has_the_pages_too(dist: Path) -> None:
    found = files(next(dist.glob("observastack-*.tar.gz")))
    assert {"frontend/dist/index.html", "hatch_build.py", "LICENSE"} <= found
    assert not any("node_modules" in path for path in found)


def test_a_platform_without_its_pages_is_not_packed_and_the_remedy_is_said(tmp_path: Path) -> None:
    bare = tmp_path / "observastack"
    bare.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "LICENSE", "__init__.py"):
        shutil.copy(ROOT / "observastack" / name, bare)
    for kind in ("--wheel", "--sdist"):
        with pytest.raises((RuntimeError, NotHere)) as failed:
            command("build", kind, "--out-dir", tmp_path / "out", cwd=bare)
        if failed.type is NotHere:
            pytest.skip(str(failed.value))
        assert "make frontend" in str(failed.value) and "index.html is not there" in str(failed.value)
    assert not list((tmp_path / "out").glob("*.whl")) and not list((tmp_path / "out").glob("*.tar.gz"))


def installed(programs: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in a folder and with a home that have nothing; PATH does not lead to this checkout."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [programs / "testbed", *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"},
    )  # fmt: skip


def test_the_installed_command_finds_what_it_was_shipped_with(programs: Path, tmp_path: Path) -> None:
    done = installed(programs, tmp_path, "--help")
    assert done.returncode == 0 and "testbed up" in done.stdout, done.stderr
    version = installed(programs, tmp_path, "--version").stdout
    assert version.strip() and version.strip()[0].isdigit()
    campaigns = json.loads(installed(programs, tmp_path, "--json", "campaigns").stdout)
    assert "smoke" in json.dumps(campaigns)
    settings = installed(programs, tmp_path, "--json", "config", "show")
    assert settings.returncode == 0 and str(ROOT) not in settings.stdout, settings.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"home"} and not list((tmp_path / "home").iterdir())


def test_modules_of_the_playbooks_find_the_testbed_and_the_platform(programs: Path, tmp_path: Path) -> None:
    """They are run by the tool's own interpreter, in any folder."""
    look = "import observastack, runners.environment.host.apply as apply; print(observastack.__file__, apply.__file__)"
    found = run(programs / "python", "-I", "-c", look, cwd=tmp_path)
    assert found.stdout.count(str(programs.parent)) == 2, found.stderr


def test_without_the_extra_up_says_which_one_is_missing(dist: Path, tmp_path: Path) -> None:
    try:
        programs = install(dist, tmp_path / "venv", platform=False)
    except NotHere as reason:
        pytest.skip(str(reason))
    done = installed(programs, tmp_path, "up", "local")
    assert done.returncode == 2
    assert "observastack-testbed[platform]" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / ".testbed" / "env").exists() or not list((tmp_path / ".testbed" / "env").iterdir())
    doctor = json.loads(installed(programs, tmp_path, "--json", "doctor").stdout)
    platform = next(item for item in doctor["capabilities"] if item["name"] == "platform")
    assert not platform["available"] and "[platform]" in platform["remedy"]
