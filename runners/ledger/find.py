"""Finding the ledger that a user means: a folder, a run, a unique prefix of one, `last` or `last~N`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from runners.ledger.header import HEADER
from runners.lib.errors import NotReady
from runners.lib.files import read_json

_LEAST_PREFIX = 6
_LAST = re.compile(r"last(?:~(\d+))?")


@dataclass(frozen=True)
class Held:
    """A ledger below the runs folder. run: the stage's; campaign: whose stage it is."""

    folder: Path
    run: str
    campaign: str


def find_ledger(runs: Path, reference: str) -> Path:
    """Raises NotReady when there is none, or more than one."""
    path = Path(reference)
    for folder in (path, path / "artifacts" / "ledger", path / "ledger"):
        if (folder / HEADER).is_file():
            return folder.absolute()
    held = ledgers(runs)
    if match := _LAST.fullmatch(reference):
        campaigns = sorted({one.campaign for one in held}, reverse=True)  # run ids sort by time
        back = int(match[1] or 0)
        if back >= len(campaigns):
            raise NotReady(
                f"{reference}: {len(campaigns)} runs have a ledger", remedy="make one: testbed data generate smoke"
            )
        chosen = [one for one in held if one.campaign == campaigns[back]]
    else:
        if len(reference) < _LEAST_PREFIX:
            raise NotReady(
                f"'{reference}' is too short to name a run", remedy=f"give at least {_LEAST_PREFIX} characters, or last"
            )
        chosen = [one for one in held if one.run.startswith(reference) or one.campaign.startswith(reference)]
    if not chosen:
        raise NotReady(f"no run '{reference}' with a ledger", remedy="give a run id, a ledger folder, or last")
    if len(chosen) > 1:
        raise NotReady(
            f"'{reference}' names {len(chosen)} ledgers: {', '.join(one.run for one in chosen)}",
            remedy="give the id of one stage's run",
        )
    return chosen[0].folder


def ledgers(runs: Path) -> list[Held]:
    """All ledgers of a home, oldest run first."""
    found = []
    for header in sorted(runs.glob(f"*/artifacts/ledger/{HEADER}")):
        stage = header.parent.parent.parent
        spec = read_json(stage / "spec.json")
        campaign = str(spec.get("campaign_run") or stage.name) if isinstance(spec, dict) else stage.name
        found.append(Held(header.parent, stage.name, campaign))
    return found
