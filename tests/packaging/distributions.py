"""Both distributions of this checkout, built and installed as a user would; in tests from uv's cache alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("observastack_testbed", "observastack")
# What uv says when its cache lacks something that --offline keeps it from fetching.
_NOT_CACHED = (
    "network was disabled",
    "not found in the cache",
    "wasn't found in the cache",
    "connectivity is disabled",
)


class NotHere(Exception):
    """This machine cannot do it: why."""


def uv() -> Path:
    """The program that `make install` has put into .build, else the one on PATH. Raises NotHere."""
    own = ROOT / ".build" / "uv" / "bin" / "uv"
    found = str(own) if own.is_file() else shutil.which("uv")
    if found is None:
        raise NotHere("uv is not here: make install brings it")
    return Path(found)


def run(*arguments: str | Path, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """A program to its end."""
    return subprocess.run(
        [*map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False, timeout=280,
        env=os.environ | environ,
    )  # fmt: skip


def command(*arguments: str | Path, cwd: Path | None = None, offline: bool = True, **environ: str) -> None:
    """A uv command that must succeed. Raises NotHere when its cache lacks what it needs, RuntimeError when it fails."""
    done = run(uv(), *arguments, *(["--offline"] if offline else []), cwd=cwd, **environ)
    if done.returncode:
        if offline and any(words in done.stderr.lower() for words in _NOT_CACHED):
            raise NotHere("uv's cache lacks what building and installing need: make install fills it")
        raise RuntimeError(f"uv {arguments[0]}: {done.stderr}")


def build(project: Path, folder: Path, *, offline: bool = True) -> None:
    """Source distribution and wheel of each project of a workspace, into a folder."""
    command("build", "--all-packages", "--out-dir", folder, "--python", sys.executable, cwd=project, offline=offline)


def wheel(folder: Path, name: str) -> Path:
    """The wheel of one of NAMES."""
    return next(folder.glob(f"{name}-*.whl"))


def install(wheels: Path, folder: Path, *, platform: bool, python: str = sys.executable, offline: bool = True) -> Path:
    """A virtual environment with what the lock file names and the built wheels; the folder of its programs.

    platform: with the extra of that name. What the wheels say that they need is checked against what is there.
    """
    extra = ["--extra", "platform"] if platform else []
    command(
        "sync", "--frozen", "--no-dev", "--no-install-workspace", *extra, "--python", python,
        cwd=ROOT, offline=offline, UV_PROJECT_ENVIRONMENT=str(folder),
    )  # fmt: skip
    chosen = [wheel(wheels, name) for name in NAMES[: 1 + platform]]
    command("pip", "install", "--no-deps", "--python", folder / "bin" / "python", *chosen, offline=offline)
    command("pip", "check", "--python", folder / "bin" / "python", offline=offline)
    return folder / "bin"
