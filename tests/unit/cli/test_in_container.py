"""A campaign in the runner's container: what it is told, and what is refused."""

import argparse

import pytest

from runners.cli import in_container
from runners.cli.session import Session
from runners.config import lookup
from runners.lib.errors import FileError, UsageError
from runners.lib.home import Home
from runners.orchestrator import campaign

SMOKE = campaign.load(lookup.find("campaigns", "smoke"))
QUIET = campaign.load(lookup.find("campaigns", "smoke-without-chaos"))


def given(**changes: object) -> argparse.Namespace:
    plain = {"plan": False, "up": False, "detach": False, "queue": False, "report": None, "on_disconnect": None}
    return argparse.Namespace(**{**plain, "only": [], "skip": [], **changes})


def session(tmp_path: object, **more: object) -> Session:
    return Session(Home(tmp_path), None, None, **more)  # type: ignore[arg-type]


def test_faults_cannot_be_injected_from_inside() -> None:
    with pytest.raises(FileError, match="stage 'crash' injects faults"):
        in_container.refuse_faults(SMOKE, only=[], skip=[])
    in_container.refuse_faults(SMOKE, only=[], skip=["crash"])
    in_container.refuse_faults(SMOKE, only=["telemetry"], skip=[])
    in_container.refuse_faults(QUIET, only=[], skip=[])


@pytest.mark.parametrize("option", ["plan", "up", "detach", "queue", "report"])
def test_what_needs_this_machine_does_not_go_with_it(tmp_path: object, option: str) -> None:
    with pytest.raises(UsageError, match=f"--{option} does not go with --in-container"):
        in_container.run(session(tmp_path), given(**{option: "x"}), QUIET, "compose")


def test_it_is_told_the_campaign_the_stages_and_the_settings(tmp_path: object) -> None:
    told = in_container.arguments(
        session(tmp_path, overrides={"seed": "7"}, json=True),
        given(only=["users"], skip=["audit"]),
        "smoke-without-chaos",
    )
    assert told[:2] == ["run", "smoke-without-chaos"] and told[-1] == "--json"
    assert " ".join(told[2:-1]) == "--on-disconnect cancel --only users --skip audit --set seed=7"
