"""The command that a report says to type for another such run."""

from __future__ import annotations

import pytest

from runners.cli.again import again


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("data generate smoke --duration 30s", "testbed data generate smoke --duration 30s --env local"),
        ("--home /x data generate smoke --json -q", "testbed data generate smoke --env local"),
        ("data generate smoke --db=postgresql://u:secret@h/d --env other", "testbed data generate smoke --env other"),
        ("load run browse --color never -v --env=other", "testbed load run browse --env=other"),
    ],
)
def test_it_is_as_it_was_typed_without_what_is_the_readers_own(typed: str, said: str) -> None:
    assert again(typed.split(), "local") == said


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    assert (
        again(["data", "generate", "my scenario.yaml"], "local")
        == "testbed data generate 'my scenario.yaml' --env local"
    )
