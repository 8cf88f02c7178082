"""Which kind of file is this, and is it right? Each kind is checked by the code that would run it."""

from __future__ import annotations

from pathlib import Path

from runners.config.document import read
from runners.lib.errors import FileError

_MARKS = {
    "campaign": "campaign",
    "target": "target",
    "method": "experiment",
    "scenario": "scenario",
    "load": "load scenario",
}


def kind_of(path: Path) -> str:
    """campaign, target, experiment, scenario or load scenario, told by its leading keys. Raises FileError."""
    data = read(path).data
    for key, kind in _MARKS.items():
        if isinstance(data, dict) and key in data:
            return kind
    raise FileError(
        "this is none of the files that the testbed reads",
        file=path, line=1, remedy=f"one of these keys must be there: {', '.join(sorted(_MARKS))}",
    )  # fmt: skip


def validate(path: Path, kind: str) -> None:
    """Raises FileError for the first thing that is wrong."""
    if kind == "campaign":
        from runners.orchestrator.campaign import load as load_campaign

        load_campaign(path)
    elif kind == "scenario":
        from runners.datagen.gauging import gauged
        from runners.datagen.scenario import load_scenario

        gauged(load_scenario(path))
    elif kind == "load scenario":
        from runners.load.scenario import load as load_load

        load_load(path)
    elif kind == "experiment":
        from runners.chaos.experiment import load as load_experiment

        load_experiment(path)
    else:
        from runners.target.profile import load as load_target

        load_target(path)
