"""The folders of an environment: where each lies, how they are made, and what of them goes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from runners.environment.host import accounts
from runners.lib.home import Environment

OUTSIDE = Path("/var/tmp")  # noqa: S108  (survives a reboot, as data should; the folder's name is a fresh UUID, mode 0711)
PASSABLE = 0o711  # of such a folder: PostgreSQL's user must be able to pass, and nobody to lay anything into it
KEPT = ("lease", "chaos")


def make_folders(environment: Environment, names: Collection[str], *, dry: bool = False) -> list[str]:
    """The folders of an environment, each 0700; returns those that were made or got their mode back.

    names: services that have a folder of their own under data. dry: only tell. Raises PermissionError, naming a folder that is
    another user's.
    """
    made = []
    folders = [
        environment.root,
        environment.config,
        environment.config / "programs",
        environment.logs,
        environment.data,
    ]
    folders += [environment.data / name for name in names]
    folders += [environment.chaos, environment.journal]
    for folder in folders:
        if not folder.is_dir() or folder.stat().st_mode & 0o777 != 0o700:
            made.append(str(folder))
            if not dry:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):  # told here, not by whichever server stumbles over it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return made


def forget_programs(environment: Environment, names: Collection[str], *, dry: bool = False) -> list[str]:
    """Remove the programs of services that are not wanted any more; supervisord stops them at its next reading."""
    gone = [path for path in (environment.config / "programs").glob("*.conf") if path.stem not in names]
    for path in [] if dry else gone:
        path.unlink()
    return [str(path) for path in gone]


def place_cluster(environment: Environment, env_id: str) -> tuple[Any, Path, list[Path]]:
    """(account to become or None, PostgreSQL's data directory, folders outside the home). Raises NoAccount."""
    account = accounts.unprivileged()
    inside = environment.data / "postgres"
    if account is None or accounts.reaches(account, environment.data):
        return account, inside, []
    outside = OUTSIDE / f"testbed-{env_id}"
    return account, outside / "postgres", [outside]


def outside_folders(state: Mapping[str, Any]) -> list[Path]:
    """The folders outside the home that this state records; a path that cannot be ours is not touched."""
    ours = OUTSIDE / f"testbed-{state.get('env_id')}"
    return [path for path in map(Path, state.get("outside") or []) if path == ours]


def clear(environment: Environment, *, keep: Collection[str] = (), dry: bool = False) -> list[str]:
    """Remove what is in the folder but lock files, HALTED and `keep`; returns what went. No process may use it any more.
    dry: only tell.

    state.json goes last: as long as it is there, an interrupted removal can be taken up again.
    """
    gone: list[str] = []
    if not environment.root.is_dir():
        return gone
    entries = sorted(environment.root.iterdir(), key=lambda path: path == environment.state)
    for path in entries:
        if path.name in KEPT or path.name in keep:
            continue
        gone.append(path.name)
        if not dry:
            _remove(path)
    if "chaos" not in keep and environment.chaos.is_dir():
        for path in environment.chaos.iterdir():
            if path.name != "HALTED" and not path.name.endswith("lock"):
                gone.append(f"chaos/{path.name}")
                if not dry:
                    _remove(path)
    return gone


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
