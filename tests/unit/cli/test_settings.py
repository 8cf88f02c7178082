"""Settings of an inventory count wherever its environment is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.cli.main import main

PROFILE = 'target: {name: t, production: false}\nurls: {api: "http://127.0.0.1:1"}\nauth: {flow: static_token}\n'


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory named staging, in the current folder."""
    folder = tmp_path / "inventories" / "staging"
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "target.yml").write_text(PROFILE)
    monkeypatch.chdir(tmp_path)
    return folder


def settings(folder: Path, text: str) -> Path:
    path = folder / "group_vars" / "all" / "testbed.yml"
    path.write_text(text)
    return path


def test_show_and_run_take_them_from_the_environments_inventory(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings(inventory, "testbed:\n  timeout: 7m\n  seed: 9\n")
    assert main(["config", "show", "--env", "staging", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["timeout"] == {"value": 420.0, "source": "inventory", "place": f"{path}:2"}
    (inventory.parents[1] / "mine.yaml").write_text(
        "campaign: mine\nstages:\n  - {name: a, suite: data, scenario: drill}\n"
    )
    assert main(["run", "./mine.yaml", "--env", "staging", "--plan", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["timeout_s"], planned["seed"]) == (420.0, 9)


@pytest.mark.parametrize("command", [["up", "staging"], ["up", "other", "--inventory", "./inventories/staging"]])
def test_up_names_the_line_of_a_wrong_one_and_starts_nothing(
    inventory: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = settings(inventory, "testbed:\n  seed: 9\n  grce: 3s\n")
    assert main(command) == 2
    told = capsys.readouterr().err
    assert f"{path}:3: unknown key 'grce'" in told and "did you mean 'grace'" in told
    assert not (inventory.parents[1] / ".testbed").exists()
