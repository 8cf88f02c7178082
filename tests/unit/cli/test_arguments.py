"""What stands before and after the command, and what comes from variables."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.cli.main import _signed_values, build_parser, main
from runners.cli.session import Session
from runners.lib.errors import UsageError
from runners.lib.home import Home


def session(*arguments: str) -> Session:
    return Session.from_arguments(build_parser().parse_args(arguments))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SET", "COLOR", "JSON", "QUIET", "ENV"):
        monkeypatch.delenv(f"TESTBED_{name}", raising=False)


def test_settings_before_between_and_after_the_command_all_count() -> None:
    found = session("--set", "a=1", "config", "--set", "b=2", "show", "--set", "c=3", "--set", "a=4")
    assert found.overrides == {"a": "4", "b": "2", "c": "3"}
    assert session("status").overrides == {}


def test_settings_of_the_variable_are_the_weakest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_SET", "grace=2s seed=7")
    assert session("--set", "seed=8", "status").overrides == {"grace": "2s", "seed": "8"}


@pytest.mark.parametrize(
    ("value", "wanted"), [("1", True), ("true", True), ("0", False), ("false", False), ("", False)]
)
def test_switches_of_variables(monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool) -> None:
    monkeypatch.setenv("TESTBED_JSON", value)
    assert session("status").json is wanted


def test_a_color_that_is_none_is_told_also_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_COLOR", "pink")
    with pytest.raises(UsageError, match="TESTBED_COLOR=pink"):
        session("status")


def test_a_descending_order_is_a_value_and_no_option() -> None:
    assert _signed_values(["results", "list", "--sort", "-duration", "-q"]) == [
        "results",
        "list",
        "--sort=-duration",
        "-q",
    ]
    assert _signed_values(["--sort", "--json"]) == ["--sort", "--json"]
    assert _signed_values(["--sort"]) == ["--sort"]


def test_the_examples_of_the_list_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(tmp_path), "results", "list", "--sort", "-duration", "--limit", "10", "--json"]) == 0
    assert capsys.readouterr().out == '{"items": [], "next": null}\n'


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "/etc"])
def test_a_path_is_no_environment(name: str) -> None:
    with pytest.raises(UsageError, match="not the name of an environment"):
        Session(Home(Path("/nowhere"))).environment_name(name)
    with pytest.raises(UsageError):
        Session(Home(Path("/nowhere")), env=name).environment_name()


def test_a_home_that_cannot_be_used_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["--home", str(tmp_path / "file"), "data", "generate", "drill", "--sink", "null:"]) == 2
    told = capsys.readouterr().err
    assert "state folder cannot be used" in told and "--home" in told and "unexpected" not in told


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["--home", str(tmp_path), "config", "init", str(tmp_path / "file" / "here")]) == 3
    told = capsys.readouterr().err
    assert str(tmp_path / "file") in told and "unexpected" not in told


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command below a parser that has none below itself."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for action in groups:
        for below in action.choices.values():
            yield from _commands(below)


def test_the_help_of_every_command_has_examples_that_can_be_parsed() -> None:
    parser = build_parser()
    commands = list(_commands(parser))
    assert len(commands) > 25
    assert [one.prog for one in commands if "examples:" not in (one.epilog or "")] == []
    for line in (line for one in commands for line in (one.epilog or "").splitlines()[1:]):
        words = shlex.split(line)
        assert words[0] == "testbed" and parser.parse_args(_signed_values(words[1:])), line


@pytest.mark.parametrize("number", ["0", "33", "-1", "two", "²"])
def test_a_number_of_processes_that_cannot_be_is_told_with_its_bounds(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "generate", "smoke", f"--shards={number}", "--dry-run"]) == 64
    assert "1 to 32" in capsys.readouterr().err
