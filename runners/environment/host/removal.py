"""The removal of processes and files without Ansible: what teardown.yml does, for when no playbook can run.

Ansible writes files before it does anything, so that on a full disk, or in a folder that is half somebody else's, it
cannot even remove what is there.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from runners.environment.host import cluster, folders, processes
from runners.lib.home import Environment

PATIENCE_S = 5.0


def by_hand(environment: Environment, state: Mapping[str, Any], keep: Collection[str] = ()) -> list[str]:
    """End every process and remove all but `keep`; returns what could not be removed, each with the reason.

    What cannot be removed is left behind, and all the rest is removed nevertheless. state: as recorded, or recollected.
    Raises TimeoutError when a process does not die.
    """
    processes.end_environment(state, patience_s=PATIENCE_S)
    stuck: list[str] = []
    if "data" not in keep:
        for folder in (environment.data, *folders.outside_folders(state)):
            try:
                cluster.remove(folder / "postgres")
            except OSError as error:
                stuck.append(_said(error, folder))
        for folder in folders.outside_folders(state):
            _remove(folder, stuck)
    if environment.root.is_dir():
        for path in environment.root.iterdir():
            if path.name not in (*keep, *folders.KEPT) and path != environment.state:
                _remove(path, stuck)
    if environment.chaos.is_dir() and "chaos" not in keep:
        for path in environment.chaos.iterdir():
            if path.name != "HALTED" and not path.name.endswith("lock"):
                _remove(path, stuck)
    if not stuck and "state.json" not in keep:
        environment.state.unlink(missing_ok=True)
    return list(dict.fromkeys(stuck))


def _remove(path: Path, stuck: list[str]) -> None:
    def note(_act: object, name: str, info: tuple[object, BaseException, object]) -> None:
        if isinstance(error := info[1], OSError) and error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
            stuck.append(_said(error, Path(name)))

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=note)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        stuck.append(_said(error, path))


def _said(error: OSError, path: Path) -> str:
    return f"{path}: {error.strerror or error}"
