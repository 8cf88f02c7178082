"""Effective settings: each value with where it came from.

Precedence: command line > environment variable > campaign file > inventory group_vars > shipped defaults.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runners.config.document import Document, read
from runners.config.lookup import SHIPPED
from runners.lib.errors import FileError, TestbedError, UsageError
from runners.lib.text import did_you_mean
from runners.lib.units import parse_duration

DEFAULTS = SHIPPED / "defaults.yaml"
Source = Literal["command line", "environment variable", "campaign", "inventory", "shipped default"]


@dataclass(frozen=True)
class Value:
    """value: as checked (durations in seconds); source: which layer; place: the variable, or file:line."""

    value: Any
    source: Source
    place: str

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "source": self.source, "place": self.place}


def _name(value: Any) -> str:
    text = str(value)
    if not text or not all(part.isalnum() or part in "-_." for part in text):
        raise ValueError(f"{text!r} is not a name; use letters, digits, - _ .")
    return text


def _names(value: Any) -> list[str]:
    items = value if isinstance(value, list) else str(value).split(",")
    return [_name(item) for item in (str(item).strip() for item in items) if item]


def _whole(value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a whole number") from None


def _disconnect(value: Any) -> str:
    if value not in ("continue", "cancel"):
        raise ValueError(f"{value!r} is neither 'continue' nor 'cancel'")
    return str(value)


def _one_of(*known: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
        return str(value)

    return check


CHECKS: dict[str, Callable[[Any], Any]] = {
    "environment": _name,
    "seed": _whole,
    "timeout": parse_duration,
    "grace": parse_duration,
    "on_disconnect": _disconnect,
    "defects": _names,
    "stores": _one_of("auto", "embedded", "real"),
    "identity": _one_of("local", "keycloak"),
}


@dataclass(frozen=True)
class Settings(Mapping[str, Any]):
    """A mapping of key to value; `sources` tells where each came from."""

    sources: dict[str, Value]

    def __getitem__(self, key: str) -> Any:
        return self.sources[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)


def resolve(
    overrides: Mapping[str, str],
    *,
    campaign: Document | None = None,
    inventory: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """All settings. overrides: `--set` (and options that mean the same); inventory: its folder.

    Raises UsageError for an unknown key or a wrong value on the command line or in a variable, FileError in a file.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, Value] = {}
    _take_document(found, read(DEFAULTS), (), "shipped default")
    for path in sorted((inventory / "group_vars").rglob("*.y*ml")) if inventory else []:
        document = read(path, ansible=True)
        if isinstance(document.data, dict) and "testbed" in document.data:
            _take_document(found, document, ("testbed",), "inventory")
    if campaign is not None:
        _take_document(found, campaign, (), "campaign", only_known=True)
    for key in CHECKS:
        for variable in _variables(key):
            if variable in environ:
                found[key] = Value(_checked(key, environ[variable], variable), "environment variable", variable)
    for key, text in overrides.items():
        if key not in CHECKS:
            raise UsageError(f"--set {key}: unknown key", remedy=did_you_mean(key, CHECKS))
        found[key] = Value(_checked(key, text, f"--set {key}"), "command line", f"--set {key}={text}")
    return Settings(found)


def _variables(key: str) -> list[str]:
    """Weakest first. The platform's own variable for defects counts as well."""
    ours = "TESTBED_" + key.upper().replace(".", "_")
    return {"defects": ["OBSERVASTACK_DEFECTS", ours], "environment": [ours, "TESTBED_ENV"]}.get(key, [ours])


def _take_document(
    found: dict[str, Value], document: Document, at: tuple[str, ...], source: Source, *, only_known: bool = False
) -> None:
    data = document.data
    for part in at:
        data = data[part]
    if not isinstance(data, dict):
        raise document.error("keys and values are expected here", at)
    for key, raw in data.items():
        if key not in CHECKS:
            if only_known:
                continue
            raise document.error(f"unknown key '{key}'", (*at, key), did_you_mean(str(key), CHECKS))
        try:
            value = CHECKS[key](raw)
        except ValueError as error:
            raise document.error(f"{key}: {error}", (*at, key)) from None
        found[key] = Value(value, source, f"{document.path}:{document.line((*at, key))}")


def _checked(key: str, text: str, where: str) -> Any:
    try:
        return CHECKS[key](text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def shipped_files() -> list[Path]:
    """What `config init` copies: campaigns, scenarios, experiments, relative to the shipped folder."""
    kinds = ("campaigns", "scenarios", "experiments")
    return [path.relative_to(SHIPPED) for kind in kinds for path in sorted((SHIPPED / kind).glob("*.y*ml"))]


def copy_shipped(folder: Path) -> list[Path]:
    """Copy the shipped files to start from. Raises TestbedError before anything is written if one is in the way."""
    targets = {folder / name: SHIPPED / name for name in shipped_files()}
    if taken := [path for path in targets if path.exists()]:
        raise FileError("already there; nothing was copied", file=taken[0], remedy="choose an empty folder")
    for path, source in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
    if not targets:
        raise TestbedError("this installation ships no files", remedy="install the package again")
    return sorted(targets)
