"""A campaign ready to run: what spec.json of a campaign's run folder holds. Plain data, cheap to load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runners.lib.errors import FileError
from runners.lib.files import read_json

MODULES = {"data": "runners.datagen", "load": "runners.load", "chaos": "runners.chaos", "e2e": "runners.e2e"}
NEVER_RETRIED = ("load", "chaos")  # a second storm or a second crash is another experiment, not another try


@dataclass(frozen=True)
class StageSpec:
    """One stage. Times in seconds.

    runs: the ids of its attempts, fixed before the campaign starts; needs: ends awaited, broken ones skip it; after:
    ends awaited, whatever they are; of: the stage whose run folder it reads; estimate_s: None when nothing says.
    """

    name: str
    suite: str
    action: str
    module: str
    runs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    during: str | None = None
    at_s: float = 0.0
    duration_s: float | None = None
    timeout_s: float = 600.0
    grace_s: float = 5.0
    stop_s: float = 3.0
    optional: bool = False
    critical: bool = False
    of: str | None = None
    estimate_s: float | None = None
    params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StageSpec:
        plain = dict(document)
        for key in ("runs", "needs", "after"):
            plain[key] = tuple(plain[key])
        return cls(**plain)


@dataclass(frozen=True)
class CampaignSpec:
    """One run of a campaign. config: what the user sees as the effective configuration (no secrets); command: what starts it
    again, where that is not `run CAMPAIGN`."""

    id: str
    campaign: str
    environment: str
    stages: tuple[StageSpec, ...]
    gates: tuple[str, ...] = ()
    optional_gates: tuple[str, ...] = ()
    seed: int = 0
    timeout_s: float = 3600.0
    lease: bool = True
    queue: bool = False
    on_disconnect: str = "continue"
    description: str = ""
    commit: str | None = None
    defects: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"v": 1, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> CampaignSpec:
        plain = {key: value for key, value in document.items() if key != "v"}
        plain["stages"] = tuple(StageSpec.from_json(stage) for stage in plain["stages"])
        for key in ("gates", "optional_gates", "defects"):
            plain[key] = tuple(plain.get(key) or ())
        return cls(**plain)

    @property
    def run_ids(self) -> list[str]:
        """The campaign's own run and every attempt of its stages."""
        return [self.id, *(run for stage in self.stages for run in stage.runs)]

    def stage(self, name: str) -> StageSpec:
        return next(stage for stage in self.stages if stage.name == name)


def load_spec(folder: Path) -> CampaignSpec:
    """Read spec.json of a campaign's run folder. Raises FileError when it is missing or not one."""
    document: Any = read_json(folder / "spec.json")
    try:
        return CampaignSpec.from_json(document)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise FileError("not the specification of a campaign run", file=folder / "spec.json") from None
