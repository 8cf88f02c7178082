"""What a run did on purpose, written beside its ledger: anomalies, the alerts that must fire and by when, quiet windows.

    {"v": 1, "run": "…", "scenario": "…", "seed": 42, "from": 1795000000.0, "to": 1795000060.0, "tenants": ["acme"],
     "anomalies": [{"name", "kind", "tenants", "service", "series", "from", "to", "magnitude",
                    "alert": {"name", "by"} | null}],
     "quiet": [{"from", "to"}]}

Times are Unix seconds. `data score` compares them with the alerts that fired.
"""

from __future__ import annotations

from typing import Any

from runners.datagen.scenario import Scenario

LABELS = "labels.json"


def labels(scenario: Scenario, *, run: str, seed: int, start_ns: int, duration_s: float) -> dict[str, Any]:
    """The document of one run. What would begin after its end is left out, what lasts longer is cut off there."""
    start = start_ns / 1e9
    end = start + duration_s
    anomalies = []
    for one in scenario.file.anomalies:
        if one.at >= duration_s:
            continue
        begins = start + one.at
        anomalies.append({
            "name": one.name, "kind": str(one.kind),
            "tenants": [one.target.tenant] if one.target.tenant else list(scenario.tenants),
            "service": one.target.service or None, "series": one.target.series or None, "from": round(begins, 3),
            "to": round(min(begins + one.lasts, end), 3), "magnitude": one.magnitude,
            "alert": None if one.alert is None else {"name": one.alert.name, "by": round(begins + one.alert.within, 3)},
        })  # fmt: skip
    quiet = [
        {"from": round(start + one.at, 3), "to": round(min(start + one.at + one.lasts, end), 3)}
        for one in scenario.file.quiet
        if one.at < duration_s
    ]
    return {
        "v": 1, "run": run, "scenario": scenario.name, "seed": seed, "from": round(start, 3), "to": round(end, 3),
        "tenants": list(scenario.tenants), "anomalies": anomalies, "quiet": quiet,
    }  # fmt: skip
