"""User files by name: the current directory first, then among the shipped ones; a path is taken as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from runners.lib.errors import FileError
from runners.lib.text import did_you_mean

Kind = Literal["campaigns", "scenarios", "experiments"]
SHIPPED = Path(__file__).resolve().parent.parent / "shipped"
PROJECT = SHIPPED.parent.parent
_ENDINGS = (".yaml", ".yml", ".json")


def find(kind: Kind, name: str, such: Callable[[Mapping[str, Any]], bool] | None = None) -> Path:
    """The file of this campaign, scenario or experiment. Raises FileError with the nearest name.

    such: which files can be meant, by what they hold; others are not proposed.
    """
    if "/" in name or name.endswith(_ENDINGS):
        path = Path(name)
        if not path.is_file():
            raise FileError(f"no such {kind[:-1]} file", file=path, remedy="check the path")
        return path.absolute()
    for folder in _folders(kind):
        for ending in _ENDINGS:
            if (path := folder / (name + ending)).is_file():
                return path.absolute()
    raise FileError(
        f"no {kind[:-1]} '{name}' here or among the shipped ones",
        file=name,
        remedy=did_you_mean(name, matching(kind, such) if such else available(kind)),
    )


def available(kind: Kind) -> dict[str, Path]:
    """Names to files; a file of the user hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in reversed(_folders(kind)):
        for path in sorted(folder.glob("*")) if folder.is_dir() else []:
            if path.suffix in _ENDINGS and (folder.name == kind or folder == SHIPPED / kind):
                found[path.stem] = path
    return found


def matching(kind: Kind, such: Callable[[Mapping[str, Any]], bool]) -> dict[str, Mapping[str, Any]]:
    """Those available whose documents are such, by name. What cannot be read is left out: naming it says what is wrong."""
    from runners.config.document import read

    found: dict[str, Mapping[str, Any]] = {}
    for name, path in available(kind).items():
        try:
            document = read(path).data
        except FileError:
            continue
        if isinstance(document, dict) and such(document):
            found[name] = document
    return found


def _folders(kind: Kind) -> list[Path]:
    here = Path.cwd()
    return [here, here / kind, SHIPPED / kind]


def playbooks() -> Path:
    """The folder of the shipped playbooks."""
    return PROJECT / "playbooks"


def inventories() -> list[Path]:
    """Where inventories are looked up: the current directory first."""
    return [Path.cwd() / "inventories", PROJECT / "inventories"]
