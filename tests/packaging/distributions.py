"""Both distributions of this checkout, built and installed as a user would, from uv's cache alone: no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("observastack_testbed", "observastack")
# What uv says when its cache lacks something that --offline keeps it from fetching.
_NOT_CACHED = ("network was disabled", "not found in the cache", "--offline", "network connectivity is disabled")


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


def uv_offline(*arguments: str | Path, cwd: Path | None = None, **environ: str) -> None:
    """A uv command that must succeed. Raises NotHere when its cache lacks what it needs, RuntimeError when it fails."""
    done = run(uv(), *arguments, "--offline", cwd=cwd, **environ)
    if done.returncode:
        if any(words in done.stderr for words in _NOT_CACHED):
            raise NotHere("uv's cache lacks what building and installing need: make install fills it")
        raise RuntimeError(f"uv {arguments[0]}: {done.stderr}")


def build(project: Path, folder: Path) -> None:
    """Source distribution and wheel of each project of a workspace, into a folder."""
    uv_offline("build", "--all-packages", "--out-dir", folder, "--python", sys.executable, cwd=project)


def wheel(folder: Path, name: str) -> Path:
    """The wheel of one of NAMES."""
    return next(folder.glob(f"{name}-*.whl"))


def install(wheels: Path, folder: Path, *, platform: bool, python: str = sys.executable) -> Path:
    """A virtual environment with what the lock file names and the built wheels; the folder of its programs.

    platform: with the extra of that name. What the wheels say that they need is checked against what is there.
    """
    extra = ["--extra", "platform"] if platform else []
    uv_offline(
        "sync", "--frozen", "--no-dev", "--no-install-workspace", *extra, "--python", python,
        cwd=ROOT, UV_PROJECT_ENVIRONMENT=str(folder),
    )  # fmt: skip
    chosen = [wheel(wheels, name) for name in NAMES[: 1 + platform]]
    uv_offline("pip", "install", "--no-deps", "--python", folder / "bin" / "python", *chosen)
    uv_offline("pip", "check", "--python", folder / "bin" / "python")
    return folder / "bin"
