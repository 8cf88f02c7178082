"""Finding the ledger that a user means: a folder, a run, a unique prefix of one, `last` or `last~N`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from runners.ledger.header import HEADER, ROWS
from runners.lib.errors import NotReady
from runners.lib.files import read_json

_LEAST_PREFIX = 6
_BELOW = ("artifacts/ledger", "ledger")
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
    for folder in (path, *(path / name for name in _BELOW)):
        if _there(folder / HEADER):
            return folder.absolute()
    if "/" in reference or reference in (".", ".."):  # as no run is called
        raise _no_ledger(path)
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
            if _there(path):
                raise _no_ledger(path)
            raise NotReady(
                f"'{reference}' is too short to name a run", remedy=f"give at least {_LEAST_PREFIX} characters, or last"
            )
        chosen = [one for one in held if one.run.startswith(reference) or one.campaign.startswith(reference)]
    if not chosen:
        if _there(path):
            raise _no_ledger(path)
        raise NotReady(f"no run '{reference}' with a ledger", remedy="give a run id, a ledger folder, or last")
    if len(chosen) > 1:
        raise NotReady(
            f"'{reference}' names {len(chosen)} ledgers: {', '.join(one.run for one in chosen)}",
            remedy="give the id of one stage's run",
        )
    return chosen[0].folder


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long a name, a folder that may not be entered
        return False


def _no_ledger(path: Path) -> NotReady:
    """What a path is instead of a ledger."""
    remedy = "give a run of `testbed data generate` (its id, or last), or its ledger folder"
    if not _there(path):
        return NotReady(f"there is no folder {path}", remedy=remedy)
    if not path.is_dir():
        return NotReady(f"{path} is a file, not the folder of a ledger", remedy=remedy)
    for folder in (path, *(path / name for name in _BELOW)):
        if _there(folder / ROWS):
            return NotReady(
                f"the ledger in {folder} has no {HEADER}",
                remedy="restore it from a copy: nothing can be said of the run without it",
            )
    return NotReady(f"the folder {path} holds no ledger", remedy=remedy)


def ledgers(runs: Path) -> list[Held]:
    """All ledgers of a home, oldest run first."""
    found = []
    for header in sorted(runs.glob(f"*/artifacts/ledger/{HEADER}")):
        stage = header.parent.parent.parent
        spec = read_json(stage / "spec.json")
        campaign = str(spec.get("campaign_run") or stage.name) if isinstance(spec, dict) else stage.name
        found.append(Held(header.parent, stage.name, campaign))
    return found
