"""Every variable of the playbooks: what it is called, what it is for, what it is when nobody sets it, and where it is set.

Roles declare theirs (defaults/main.yml, meta/argument_specs.yml); the shipped inventories' group_vars declare those that
belong to no role. Both are read, so that a variable is described in one place only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.config import document, lookup
from runners.config.document import Document
from runners.lib.text import did_you_mean

_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "bool": (bool,), "str": (str, int, float), "path": (str,), "list": (list,),
    "dict": (dict,),
}  # fmt: skip
_FREE = ("ansible_", "vault_")  # Ansible's own, and what a vault file holds
_SETTINGS = "testbed"  # a group of settings of their own: runners.config.settings


@dataclass(frozen=True)
class Variable:
    """type: as in argument_specs; default: its text in YAML, None where it must be given; place: file:line; role: None for a
    variable of the inventory."""

    name: str
    type: str
    description: str
    default: Any
    place: str
    role: str | None = None


def known() -> dict[str, Variable]:
    """By name, those of the roles first."""
    found = {variable.name: variable for variable in _of_roles()}
    for folder in reversed(lookup.inventories()):
        for path in sorted(folder.glob("*/group_vars/all/*.y*ml")) if folder == _shipped() else []:
            for variable in _of_file(path):
                found.setdefault(variable.name, variable)
    return found


def check(documents: Iterable[Document], variables: Mapping[str, Variable]) -> None:
    """Names and types of what group_vars and host_vars set. Raises FileError with file, line and the nearest name."""
    for source in documents:
        if source.data is None:
            continue
        if not isinstance(source.data, dict):
            raise source.error("variables are expected here, as name: value")
        for name, value in source.data.items():
            if str(name).startswith(_FREE) or name == _SETTINGS:
                continue
            if name not in variables:
                raise source.error(f"unknown variable '{name}'", (name,), did_you_mean(str(name), variables))
            if (wrong := _mistyped(value, variables[name].type)) is not None:
                raise source.error(f"{name}: {wrong}", (name,), f"it is {value!r}")


def files(inventory: Path) -> list[Path]:
    """The files that set variables, weakest first; encrypted ones are Ansible's business."""
    found = [path for folder in ("group_vars", "host_vars") for path in sorted((inventory / folder).rglob("*.y*ml"))]
    return [path for path in found if path.read_bytes()[:14] != b"$ANSIBLE_VAULT"]


def flat(name: str, value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Leaves of a mapping by path; lists and everything else are leaves."""
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            for path, leaf in flat(str(key), entry):
                yield (name, *path), leaf
    else:
        yield (name,), value


def _mistyped(value: Any, wanted: str) -> str | None:
    if value is None or (isinstance(value, str) and "{{" in value) or wanted not in _TYPES:
        return None
    right = isinstance(value, _TYPES[wanted]) and (wanted == "bool" or not isinstance(value, bool))
    return None if right else f"a value of type {wanted} is expected"


def _shipped() -> Path:
    return lookup.PROJECT / "inventories"


def _of_roles() -> Iterator[Variable]:
    for folder in sorted((lookup.playbooks() / "roles").iterdir()):
        specs = document.read(folder / "meta" / "argument_specs.yml").data["argument_specs"]
        options = {name: spec for entry in specs.values() for name, spec in (entry.get("options") or {}).items()}
        defaults = folder / "defaults" / "main.yml"
        source = document.read(defaults) if defaults.is_file() else None
        values = (source.data or {}) if source else {}
        for name in sorted({*options, *values}):
            spec = options.get(name, {})
            line = source.line((name,)) if source and name in values else None
            place = f"{_relative(defaults)}:{line}" if line else _relative(folder / "meta" / "argument_specs.yml")
            yield Variable(
                name, spec.get("type", "any"), spec.get("description", ""), values.get(name), place, folder.name
            )


def _of_file(path: Path) -> Iterator[Variable]:
    source = document.read(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    for name, value in (source.data or {}).items():
        line = source.line((name,)) or 1
        kind = next((key for key, types in _TYPES.items() if type(value) in types), "any")
        yield Variable(str(name), kind, _comment_above(lines, line), value, f"{_relative(path)}:{line}")


def _comment_above(lines: list[str], line: int) -> str:
    """The block of comments that ends right above this line, or above the variables that share it."""
    at = line - 2
    while at >= 0 and re.match(r"\w+:", lines[at]):
        at -= 1
    end = at
    while at >= 0 and lines[at].startswith("#"):
        at -= 1
    text = " ".join(row.removeprefix("#").strip() for row in lines[at + 1 : end + 1])
    return text.partition("   ")[0].split(" title ")[0].strip()


def _relative(path: Path) -> str:
    return str(path.relative_to(lookup.PROJECT)) if path.is_relative_to(lookup.PROJECT) else str(path)
