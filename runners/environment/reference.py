"""Generated pages: playbooks/README.md (every playbook, role and variable) and docs/services.md (who requires whom).

`python -m runners.environment.reference` writes both; `make docs` says when they are not what the code says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from runners.config import document, lookup
from runners.environment import inventory
from runners.environment.explain import role_variables
from runners.environment.host import servers
from runners.environment.host.impact import with_requirements
from runners.environment.variables import Variable, known

PLAYBOOKS_PAGE = lookup.PROJECT / "playbooks" / "README.md"
SERVICES_PAGE = lookup.PROJECT / "docs" / "services.md"

_HEAD = """\
# Playbooks

What `testbed up`, `down`, `verify`, `drift`, `reset` and `rollback` play; they work without it as well, from the project's folder:

```
ansible-playbook -i inventories/local playbooks/provision.yml
ansible-playbook -i inventories/local playbooks/provision.yml --check --diff
ansible-playbook -i inventories/local playbooks/drift.yml
ansible-playbook -i inventories/local playbooks/teardown.yml
```

`TESTBED_HOME` names the folder of state (`.testbed` beside the playbooks), `-e testbed_environment=DIR` another environment's
folder in it, such as `$PWD/.testbed/env/blue`. Every playbook may be run twice and in check mode.

This page is generated from argument specifications, defaults and group_vars: `python -m runners.environment.reference`.
"""


def playbooks_page() -> str:
    """The whole of playbooks/README.md."""
    variables = known()
    parts = [
        _HEAD,
        "## Playbooks\n",
        _table(("playbook", "does"), [(f"`{name}`", what) for name, what in _playbooks()]),
    ]
    parts += [
        "## Roles\n",
        _table(("role", "does"), [(f"[{name}](roles/{name}/README.md)", what) for name, what in _roles()]),
    ]
    parts.append("## Variables of the inventory\n\nThey stand in `group_vars/all/` of an inventory.\n")
    parts.append(_variables([item for item in variables.values() if item.role is None], role=False))
    parts.append("## Variables of the roles\n\nSet one in `group_vars` to have it otherwise.\n")
    parts.append(_variables([item for items in role_variables(variables).values() for item in items], role=True))
    return "\n".join(parts)


def services_page() -> str:
    """The whole of docs/services.md: the graph of the local environment's catalogue, and the same as a table."""
    catalogue = inventory.load(lookup.PROJECT / "inventories" / inventory.DEFAULT).catalogue
    assert catalogue is not None
    entries = {name: service.model_dump() for name, service in catalogue.testbed_services.items()}
    requires = {name: list(entry["requires"]) for name, entry in entries.items()}
    used = _used_when_there(entries)
    lines = ["```mermaid", "flowchart BT"]
    lines += [f'  {name}["{entry["title"]}<br/>{entry["port"]}"]' for name, entry in entries.items()]
    lines += [f"  {name} --> {needed}" for name, entry in entries.items() for needed in entry["requires"]]
    lines += [f"  {name} -.-> {needed}" for name, needs in used.items() for needed in needs]
    lines += ["  classDef optional stroke-dasharray: 4 4"]
    lines += [f"  class {','.join(name for name, entry in entries.items() if entry['optional'])} optional", "```"]
    rows = []
    for name, entry in entries.items():
        behind = _behind(name, requires)
        further = _behind(name, {other: [*needs, *used.get(other, ())] for other, needs in requires.items()}) - behind
        rows.append((
            f"`{name}`", entry["title"], entry["implementation"] + (", optional" if entry["optional"] else ""),
            ", ".join(f"`{needed}`" for needed in entry["requires"]) or "–",
            _blocked(behind, further), entry["chaos"]["kill_costs"],
        ))  # fmt: skip
    return f"""# Services and what they require

Generated from `inventories/local/group_vars/all/services.yml`: `python -m runners.environment.reference`.

An arrow leads from a service to what must be healthy before it is started. A dashed arrow holds where the environment has that
service (`stores`, `identity`); a dashed box is left out where it cannot be had. When a provisioning fails, a service is a root
cause if all that it requires is healthy; what stands behind it is blocked.

{chr(10).join(lines)}

{_table(("service", "is", "kind", "requires", "blocked when it fails", "kill -9 costs"), rows)}"""


def _used_when_there(entries: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    stores = [name for name, entry in entries.items() if entry["store"]]
    found = {name: list(stores) for name in servers.PLATFORM}
    found["backend"].append(servers.IDENTITY)
    return found


def _behind(name: str, requires: Mapping[str, list[str]]) -> set[str]:
    return {other for other in requires if other != name and name in with_requirements(requires, [other])}


def _blocked(always: set[str], where_used: set[str]) -> str:
    parts = [", ".join(f"`{name}`" for name in sorted(always))] if always else []
    if where_used:
        parts.append(f"where it is used {', '.join(f'`{name}`' for name in sorted(where_used))}")
    return "; ".join(parts) or "–"


def _playbooks() -> list[tuple[str, str]]:
    found = []
    for path in sorted([*lookup.playbooks().glob("*.yml"), *lookup.playbooks().glob("chaos/*.yml")]):
        lines = path.read_text(encoding="utf-8").splitlines()
        block = takewhile(lambda line: line.startswith("#"), lines[1:])
        comment = " ".join(line.removeprefix("#").strip() for line in block)
        first = next((line for line in lines if line.startswith("- name:")), "").removeprefix("- name:").strip()
        found.append((str(path.relative_to(lookup.playbooks())), comment or f"{first}."))
    return found


def _roles() -> list[tuple[str, str]]:
    found = []
    for folder in sorted((lookup.playbooks() / "roles").iterdir()):
        found.append((folder.name, document.read(folder / "meta" / "main.yml").data["galaxy_info"]["description"]))
    return found


def _variables(variables: list[Variable], *, role: bool) -> str:
    rows = []
    for item in variables:
        row = (f"`{item.name}`", item.type, _default(item.default), item.description or "–")
        rows.append((str(item.role), *row) if role else row)
    head = ("variable", "type", "default", "for")
    return _table(("role", *head) if role else head, rows)


def _default(value: Any) -> str:
    if isinstance(value, dict) and value:
        text = f"{len(value)} entries"
    elif value in (None, ""):
        return "–"
    else:
        text = str(value)
    line = " ".join(text.split()).replace("|", "¦")
    return f"`{line}`"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |" for row in lines) + "\n"


def main() -> None:
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Each generated page with what it is to say."""
    return {PLAYBOOKS_PAGE: playbooks_page(), SERVICES_PAGE: services_page()}


if __name__ == "__main__":
    main()
