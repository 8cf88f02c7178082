"""Variables are declared once, known by name and type, and every value can say where it comes from."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.config import document
from runners.config.lookup import PROJECT
from runners.config.settings import resolve
from runners.environment import inventory
from runners.environment.explain import difference, explain
from runners.environment.variables import known
from runners.lib.errors import FileError
from runners.lib.files import write_json
from runners.lib.home import Environment

ROLES = sorted((PROJECT / "playbooks" / "roles").iterdir())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "inventories" / "local", tmp_path / "inventories" / "mine"))


def tasks_of(role: Path) -> Iterator[str]:
    yield from (path.stem for path in sorted((role / "tasks").glob("*.yml")))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_role_specifies_its_arguments_at_each_entry_point(role: Path) -> None:
    specs = document.read(role / "meta" / "argument_specs.yml").data["argument_specs"]
    assert set(specs) == set(tasks_of(role))
    assert all(spec["short_description"] for spec in specs.values())
    options = {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}
    assert all(option["type"] and option["description"] for option in options.values())
    defaults = role / "defaults" / "main.yml"
    declared = set(document.read(defaults).data) if defaults.exists() else set()
    needed = {name for name in options if name.startswith("testbed_")}  # of the inventory
    assert declared == set(options) - needed, "defaults and argument_specs name the same variables"
    readme = (role / "README.md").read_text()
    assert [name for name in declared if f"`{name}`" not in readme] == [], "the README names every variable"


def test_a_typing_error_in_a_variable_is_told_with_line_and_name(mine: Path) -> None:
    file = mine / "group_vars" / "all" / "own.yml"
    file.write_text("---\npostgres_max_connections: 80\nredis_maxmemmory: 64mb\n")
    with pytest.raises(FileError, match=r"own\.yml:3: unknown variable 'redis_maxmemmory'\n.*'redis_maxmemory'"):
        inventory.load(mine)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("postgres_max_connections: many", "postgres_max_connections: a value of type int is expected"),
        ("testbed_tenants: [acme]", "testbed_tenants: a value of type dict is expected"),
        ("testbed_rotate: 1", "testbed_rotate: a value of type bool is expected"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_line(mine: Path, line: str, sentence: str) -> None:
    (mine / "group_vars" / "all" / "own.yml").write_text(f"---\n{line}\n")
    with pytest.raises(FileError, match=rf"own\.yml:2: {sentence}"):
        inventory.load(mine)


def test_templates_vaults_and_ansibles_own_variables_are_let_be(mine: Path) -> None:
    (mine / "group_vars" / "all" / "own.yml").write_text(
        'postgres_max_connections: "{{ 40 + 40 }}"\nansible_become: false\nvault_postgres_password: x\n'
    )
    (mine / "group_vars" / "all" / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    assert inventory.load(mine).catalogue is not None


def test_each_value_says_where_it_comes_from(mine: Path, tmp_path: Path) -> None:
    (mine / "group_vars" / "all" / "own.yml").write_text("---\nredis_maxmemory: 64mb\n")
    environment = Environment(tmp_path / "env" / "mine")
    environment.root.mkdir(parents=True)
    write_json(environment.state, {"state": "ready", "ports": {"redis": 6479}, "wanted": {"only": []}})
    entries = explain(environment, mine, resolve({"stores": "real"}, inventory=mine, environ={}))
    assert entries["redis_maxmemory"] == {
        "value": "64mb", "source": "inventory", "place": f"{mine}/group_vars/all/own.yml:2",
    }  # fmt: skip
    assert entries["postgres_max_connections"]["source"] == "role default"
    assert entries["postgres_max_connections"]["place"].startswith("playbooks/roles/postgres/defaults/main.yml:")
    assert entries["testbed_stores"] == {"value": "real", "source": "command line", "place": "--set stores=real"}
    assert entries["ports.redis"] == {"value": 6479, "source": "recorded", "place": str(environment.state)}
    port = entries["testbed_services.redis.port"]
    line = (mine / "group_vars/all/services.yml").read_text().splitlines()[int(port["place"].rsplit(":", 1)[1]) - 1]
    assert line.strip() == f"port: {port['value']}"
    assert all(entry["place"] for entry in entries.values())


def test_a_difference_names_both_sides(mine: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(mine, tmp_path / "inventories" / "other"))
    (other / "group_vars" / "all" / "own.yml").write_text("redis_maxmemory: 64mb\n")
    nothing = Environment(tmp_path / "none")
    first, second = (explain(nothing, place, resolve({}, inventory=place, environ={})) for place in (mine, other))
    assert difference(first, first) == []
    found = difference(first, second)
    assert [item["key"] for item in found] == ["redis_maxmemory"]
    assert (found[0]["first"]["source"], found[0]["second"]["value"]) == ("role default", "64mb")


def test_every_variable_of_the_shipped_inventories_is_described() -> None:
    assert [name for name, variable in known().items() if not variable.description] == []


def test_every_variable_that_playbooks_use_is_declared() -> None:
    books = PROJECT / "playbooks"
    used = {
        name
        for path in [*books.rglob("*.yml"), *books.rglob("*.j2")]
        for name in re.findall(r"\btestbed_[a-z_]+", path.read_text())
    }
    plugins = {path.stem for folder in ("library", "action_plugins") for path in (books / folder).glob("*.py")}
    inside = {"testbed_digests", "testbed_secret", "testbed_recorded"}  # what plugins and vars/recorded.yml give
    assert used - plugins - inside - set(known()) == set()


def test_a_single_value_may_be_in_the_vault_and_no_secret_is_shown(mine: Path, tmp_path: Path) -> None:
    (mine / "group_vars" / "all" / "own.yml").write_text(
        "ansible_become_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\nansible_ssh_pass: open-to-all\n"
        "testbed_tenants: {acme: !unsafe 'a {{ b }}'}\nvault_redis_password: hunter2-hunter2\n"
    )
    hosts = mine / "hosts.yml"
    hosts.write_text(
        hosts.read_text() + "      ansible_password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        6162\n"
    )
    inventory.load(mine)
    entries = explain(Environment(tmp_path / "env" / "mine"), mine, resolve({}, inventory=mine))
    assert entries["ansible_become_password"]["value"] == document.VAULTED
    assert entries["testbed_tenants.acme"]["value"] == "a {{ b }}"
    assert entries["ansible_ssh_pass"]["value"] == entries["vault_redis_password"]["value"] == "********"
    assert "own.yml:4" in entries["ansible_ssh_pass"]["place"]
