"""`testbed run CAMPAIGN --in-container`: the same command in the runner's container, beside the platform."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from runners.lib.errors import FileError, UsageError

if TYPE_CHECKING:
    from runners.cli.session import Session
    from runners.orchestrator.campaign import Campaign

_NOT_THERE = ("plan", "up", "detach", "queue", "report")


def run(session: Session, args: argparse.Namespace, campaign: Campaign, environment: str) -> int:
    """Returns the exit code of the command inside. Raises UsageError, FileError, NotReady, Leased."""
    from runners.cli.provisioning import Interrupts, Progress
    from runners.environment.containers import runner

    for option in _NOT_THERE:
        if getattr(args, option):
            raise UsageError(f"--{option} does not go with --in-container", remedy="leave out one of them")
    refuse_faults(campaign, only=args.only, skip=args.skip)
    own = _own_file(campaign.path)
    progress = Progress(session, environment)
    with Interrupts(session, "ending in good order; once more to stop at once") as interrupts:
        code = runner.run(
            session.home, environment, arguments(session, args, own.name if own else campaign.path.stem),
            files=[own] if own else [], on_event=progress.take, cancel=interrupts.count,
        )  # fmt: skip
        progress.clear()
    return code


def arguments(session: Session, args: argparse.Namespace, campaign: str) -> list[str]:
    """What the command inside is told."""
    found = ["run", campaign, "--on-disconnect", args.on_disconnect or "cancel"]
    found += [part for stage in args.only for part in ("--only", stage)]
    found += [part for stage in args.skip for part in ("--skip", stage)]
    found += [part for key, value in session.overrides.items() for part in ("--set", f"{key}={value}")]
    return found + (["--json"] if session.json else [])


def refuse_faults(campaign: Campaign, *, only: list[str], skip: list[str]) -> None:
    """No container may reach the engine, so nothing inside can inject a fault. Raises FileError."""
    for stage in campaign.stages:
        if stage.suite == "chaos" and stage.name not in skip and (not only or stage.name in only):
            raise FileError(
                f"stage '{stage.name}' injects faults, which cannot be done from inside a container",
                file=campaign.path, remedy=f"add --skip {stage.name}, or leave out --in-container",
            )  # fmt: skip


def _own_file(path: Path) -> Path | None:
    """A campaign of the user; the shipped ones are in the image, too."""
    from runners.config import lookup

    return None if lookup.SHIPPED in path.parents else path
