"""Experiment files: what is right is translated, what is wrong is told with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from runners.chaos.experiment import load
from runners.config.lookup import SHIPPED
from runners.lib.errors import FileError

GOOD = """\
title: t
description: d
steady-state-hypothesis:
  title: s
  probes:
    - type: probe
      name: well
      provider: {type: testbed, probe: health, target: ingest}
method:
  - type: action
    name: break
    provider: {type: testbed, fault: pause, target: redis, ttl: 20s, hold: 1500ms}
extensions:
  - name: testbed
    recovery: {objective: 15s}
"""


def written(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_our_short_form_becomes_what_chaoslib_knows(tmp_path: Path) -> None:
    found = load(written(tmp_path, GOOD))
    (fault,) = found.faults
    assert (fault.activity, fault.fault, fault.target, fault.ttl_s, fault.hold_s) == (
        "break",
        "pause",
        "redis",
        20,
        1.5,
    )
    assert set(found.targets) == {"ingest", "redis"} and found.hypothesis and found.actions == 1 and found.ours
    assert found.extension.recovery.objective == 15
    assert [found.document["method"][0]["provider"][key] for key in ("type", "func")] == ["python", "inject"]
    probe = found.document["steady-state-hypothesis"]["probes"][0]
    assert probe["tolerance"] is True and probe["provider"]["arguments"] == {"probe": "health", "target": "ingest"}


def test_defaults_hold_without_an_extension(tmp_path: Path) -> None:
    text = GOOD[: GOOD.index("extensions")].replace(", ttl: 20s, hold: 1500ms", "")
    found = load(written(tmp_path, text))
    assert (found.faults[0].ttl_s, found.faults[0].hold_s) == (60, 5)
    assert (found.extension.blast_radius.max_faults, found.extension.deny) == (2, ())


@pytest.mark.parametrize("path", sorted((SHIPPED / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_experiment_is_valid_and_names_no_module(path: Path) -> None:
    found = load(path)
    assert found.faults and found.hypothesis
    assert "module" not in path.read_text()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("fault: pause", "fault: pawse", 12, "there is no fault 'pawse'"),
        ("ttl: 20s", "ttl: 20x", 12, "is not a duration"),
        ("ttl: 20s", "ttl: 11m", 12, "less than or equal to 600"),
        ("ttl: 20s", "ttl: 3s", 12, "does not fit"),
        ("hold: 1500ms", "hodl: 1500ms", 12, "unknown key 'hodl'"),
        ("target: redis, ", "", 12, "'target' is missing"),
        ("recovery:", "recvoery:", 15, "unknown key 'recvoery'"),
        ("objective: 15s", "objective: -1s", 15, "is not a duration"),
        ("type: action", "type: probe", 10, "a fault is an action"),
        ("probe: health, target: ingest", "probe: health", 8, "needs a target"),
        ("probe: health, target: ingest", "probe: wealth, target: ingest", 8, "health"),
        ("title: t\n", "", 1, "requires a title"),
        ("    name: break\n", "", 10, "must have a name"),
        ("description: d", "description: [", None, "not valid YAML"),
        ("    recovery: {objective: 15s}", "    deny: [redis]", 12, "deny list"),
        ("    recovery: {objective: 15s}", "    blast_radius: {max_faults: 3}", 15, "less than or equal to 2"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int | None, message: str
) -> None:
    assert old in GOOD
    with pytest.raises(FileError) as found:
        load(written(tmp_path, GOOD.replace(old, new)))
    assert message in found.value.what + str(found.value.remedy)
    assert line is None or found.value.line == line
    assert found.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "[]", "just words", "title: t\nmethod: 3\n", "title: t\ndescription: d\n"])
def test_what_is_no_experiment_at_all_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileError):
        load(written(tmp_path, text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "absent.yaml")


def test_json_with_tabs_is_read_and_broken_json_has_a_line(tmp_path: Path) -> None:
    document = {"title": "t", "description": "d", "method": []}
    assert load(written(tmp_path, json.dumps(document, indent="\t"), "x.json")).title == "t"
    with pytest.raises(FileError) as found:
        load(written(tmp_path, '{\n\t"title": "t",\n\t"method": [}\n', "y.json"))
    assert found.value.line == 3


def plain(provider: dict[str, Any], kind: str = "action") -> str:
    return json.dumps(
        {"title": "t", "description": "d", "method": [{"type": kind, "name": "a", "provider": provider}]}
    )  # fmt: skip


@pytest.mark.parametrize(
    "provider",
    [
        {"type": "python", "module": "os.path", "func": "exists", "arguments": {"path": "/"}},
        {"type": "process", "path": "ls", "arguments": "/"},
        {"type": "http", "url": "http://127.0.0.1/"},
    ],
)
def test_plain_providers_are_left_as_they_are(tmp_path: Path, provider: dict[str, Any]) -> None:
    found = load(written(tmp_path, plain(provider), "x.json"))
    assert found.document["method"][0]["provider"] == provider and not found.ours


@pytest.mark.parametrize("module", ["yaml", "runners.chaos.actions", "chaoslib.exit"])
def test_foreign_code_needs_permission(tmp_path: Path, module: str) -> None:
    function = {"yaml": "safe_load", "runners.chaos.actions": "inject", "chaoslib.exit": "exit_gracefully"}[module]
    arguments = {
        "yaml": {"stream": ""},
        "runners.chaos.actions": {"fault": "kill", "target": "x", "ttl_s": 1, "hold_s": 1},
        "chaoslib.exit": {},
    }[module]
    text = plain({"type": "python", "module": module, "func": function, "arguments": arguments})
    path = written(tmp_path, text, "x.json")
    with pytest.raises(FileError, match="--allow-foreign-actions") as found:
        load(path)
    assert module in found.value.what
    assert load(path, allow_foreign_actions=True).actions == 1


def test_foreign_controls_need_permission_too(tmp_path: Path) -> None:
    control = {"name": "c", "provider": {"type": "python", "module": "yaml"}}
    text = json.dumps({"title": "t", "description": "d", "method": [], "controls": [control]})
    with pytest.raises(FileError, match="module 'yaml'"):
        load(written(tmp_path, text, "x.json"))


def test_a_fault_is_no_rollback(tmp_path: Path) -> None:
    text = GOOD + "rollbacks:\n  - {type: action, name: r, provider: {type: testbed, fault: kill, target: redis}}\n"
    with pytest.raises(FileError, match="belongs into the method"):
        load(written(tmp_path, text))
