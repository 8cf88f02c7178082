"""The two wheels that a host gets: built from the checkout that is running, or those that lie in a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from runners.lib.errors import NotReady

BUILD = "build"
_DISTRIBUTIONS = ("observastack_testbed", "observastack")
_SOURCES = ("runners", "tui", "playbooks", "inventories", "observastack", "pyproject.toml", "README.md")
_IGNORED = ("__pycache__", "node_modules", "tests")


def gather(source: str, project: Path, cache: Path) -> list[Path]:
    """Wheels of both distributions. source: `build` or a folder of wheels; project: the checkout; cache: may be deleted.

    Raises NotReady with what is missing. The same sources are built once.
    """
    if source != BUILD:
        return _both(Path(source), f"testbed_package_source is {source}")
    if not (project / "pyproject.toml").is_file():
        raise NotReady(
            f"{project} is no checkout: there is nothing to build the testbed's wheels from",
            remedy="set testbed_package_source to a folder that has both wheels, or to requirements of a package index",
        )
    folder = cache / "wheels" / _digest(project)
    if not folder.is_dir():
        draft = folder.with_name(folder.name + f".{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        try:
            _build(project, draft)
            _both(draft, "the build")
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return _both(folder, "the build")


def _both(folder: Path, whose: str) -> list[Path]:
    found = []
    for name in _DISTRIBUTIONS:
        wheels = sorted(folder.glob(f"{name}-*.whl"), key=lambda path: path.stat().st_mtime)
        if not wheels:
            raise NotReady(f"{whose}: no wheel of {name} in {folder}", remedy="uv build --all-packages makes both")
        found.append(wheels[-1])
    return found


def _build(project: Path, folder: Path) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(project / ".build" / "uv" / "bin"))
    if uv is not None:
        command = [uv, "build", "--all-packages", "--wheel", "--out-dir", str(folder)]
    else:
        command = [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".", "./observastack",
        ]  # fmt: skip
    done = subprocess.run(command, check=False, cwd=project, capture_output=True, text=True)
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        # What the platform's build hook says comes before the closing lines of uv, and only without --quiet.
        last = [line for line in said if line.startswith(("observastack:", "→"))] or said[-3:]
        raise NotReady(
            f"the testbed's wheels cannot be built: {' · '.join(last)}",
            remedy="uv build --all-packages shows more; or set testbed_package_source to a folder that has them",
        )


def digest(wheel: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _digest(project: Path) -> str:
    """Of names, sizes and times of change of all that goes into the wheels."""
    found = hashlib.sha256()
    for name in _SOURCES:
        top = project / name
        paths = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in paths:
            if not set(path.relative_to(project).parts) & set(_IGNORED) and path.is_file():
                status = path.stat()
                found.update(f"{path.relative_to(project)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]
