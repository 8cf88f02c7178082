"""`testbed config show --env` and `config diff`: every value an environment has, or would have, with where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.config import document
from runners.config.settings import Settings
from runners.environment.variables import Variable, files, flat, known
from runners.lib.files import read_json
from runners.lib.home import Environment
from runners.playbook.mask import MASKED

Entry = dict[str, Any]
"""`{value, source, place}`, as `testbed config show --json` prints it."""

# Variables whose values are nobody's business, in a vault or not: given secrets, and passwords of Ansible's own.
_SECRET = re.compile(r"^(testbed_given_secrets|vault_.*|ansible_.*(pass|password|passphrase|token))$")
_CHOSEN = {"testbed_defects": "defects", "testbed_stores": "stores", "testbed_identity": "identity"}


def explain(environment: Environment, inventory: Path | None, settings: Settings) -> dict[str, Entry]:
    """By dotted name: settings first, then the inventory's variables, the roles' variables, and what `up` recorded."""
    entries: dict[str, Entry] = {key: value.to_json() for key, value in settings.sources.items()}
    if inventory is None:
        return entries
    variables = known()
    given = _given(inventory)
    for name, (value, place) in given.items():
        for path, leaf in flat(name, value.data[name]):
            shown = MASKED if _SECRET.search(name) and isinstance(leaf, str) and leaf != document.VAULTED else leaf
            entries[".".join(path)] = _entry(shown, "inventory", f"{value.path}:{value.line(path) or place}")
    for name, key in _CHOSEN.items():
        if key in settings.sources:
            entries[name] = settings.sources[key].to_json()
    entries["testbed_environment"] = _entry(str(environment.root), "state folder", "--home, --env")
    for name, variable in variables.items():
        if name not in given and variable.role is not None:
            entries[name] = _entry(variable.default, "role default", variable.place)
    return entries | _recorded(environment)


def difference(first: Mapping[str, Entry], second: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """`{key, first, second}` of every value that is not the same in both; None where it is missing."""
    return [
        {"key": key, "first": first.get(key), "second": second.get(key)}
        for key in dict.fromkeys([*first, *second])
        if (first.get(key) or {}).get("value") != (second.get(key) or {}).get("value")
        or (key in first) != (key in second)
    ]


def _given(inventory: Path) -> dict[str, tuple[document.Document, int]]:
    """Variables that the inventory sets: by name the file that wins, and the line."""
    found: dict[str, tuple[document.Document, int]] = {}
    for path in files(inventory):
        source = document.read(path, ansible=True)
        for name in source.data or {}:
            found[str(name)] = (source, source.line((name,)) or 1)
    found.pop("testbed", None)  # settings
    return found


def _recorded(environment: Environment) -> dict[str, Entry]:
    """What the environment got when it was provisioned."""
    state = read_json(environment.state) or {}
    if state.get("state") in (None, "absent"):
        return {}
    place = str(environment.state)
    found = {f"ports.{name}": port for name, port in (state.get("ports") or {}).items()}
    found |= {f"recorded.{name}": value for name, value in (state.get("wanted") or {}).items()}
    found |= {f"urls.{name}": url for name, url in (state.get("urls") or {}).items() if url}
    return {key: _entry(value, "recorded", place) for key, value in found.items()}


def _entry(value: Any, source: str, place: str) -> Entry:
    return {"value": value, "source": source, "place": place}


def role_variables(variables: Mapping[str, Variable]) -> dict[str, list[Variable]]:
    """By role."""
    found: dict[str, list[Variable]] = {}
    for variable in variables.values():
        if variable.role is not None:
            found.setdefault(variable.role, []).append(variable)
    return found
