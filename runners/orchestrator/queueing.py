"""Whose turn is it? Campaigns that wait for one environment go in the order of their ids, which is that of time."""

from __future__ import annotations

import os

from runners.lib.files import read_json
from runners.lib.home import Home
from runners.orchestrator.spec import CampaignSpec


def first_in_line(home: Home, spec: CampaignSpec) -> bool:
    """No older unfinished campaign waits for the same environment, or drives it."""
    for run in sorted(os.listdir(home.live)):
        if run >= spec.id:
            return True
        document = read_json(home.run(run) / "spec.json")
        if isinstance(document, dict) and document.get("environment") == spec.environment and document.get("lease"):
            return False
    return True
