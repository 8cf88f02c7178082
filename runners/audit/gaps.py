"""Gaps: lost items that lie close together in time, and why they are lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.audit.causes import UNKNOWN, Causes, Fault
from runners.audit.judge import Finding
from runners.events import read_events
from runners.ledger.attempt import Batch
from runners.ledger.items import Signal
from runners.ledger.reader import Fate
from runners.lib.files import read_json

_MOST_CAUSES = 3


@dataclass(frozen=True)
class Gap:
    """start, end: of the lost items' own times, in Unix seconds. fault: what overlapped it; why: all that is known."""

    signal: Signal
    tenant: str
    start: float
    end: float
    items: int
    fault: str | None
    why: str = UNKNOWN

    def to_json(self) -> dict[str, Any]:
        return {
            "signal": self.signal, "tenant": self.tenant, "from": self.start, "to": self.end, "items": self.items,
            "fault": self.fault, "why": self.why,
        }  # fmt: skip


def gaps(lost: Iterable[Finding], fates: Mapping[Batch, Fate], causes: Causes, tick_s: float) -> list[Gap]:
    """Lost items of one tenant and signal that lie less than a tick apart make one gap."""
    groups: dict[tuple[str, Signal], list[Finding]] = {}
    for finding in lost:
        groups.setdefault((finding.tenant, finding.signal), []).append(finding)
    found: list[Gap] = []
    for (tenant, signal), findings in groups.items():
        findings.sort(key=lambda finding: finding.time)
        run: list[Finding] = []
        for finding in findings:
            if run and finding.time - run[-1].time > tick_s * 1e9:
                found.append(_gap(signal, tenant, run, fates, causes))
                run = []
            run.append(finding)
        found.append(_gap(signal, tenant, run, fates, causes))
    return sorted(found, key=lambda gap: (gap.start, gap.tenant, gap.signal))


def _gap(signal: Signal, tenant: str, run: Sequence[Finding], fates: Mapping[Batch, Fate], causes: Causes) -> Gap:
    start, end = run[0].time / 1e9, run[-1].time / 1e9
    # Items are made before they are sent: what broke their requests may have come a tick later.
    sent = [fates[finding.batch].sent_at / 1e9 for finding in run if finding.batch is not None]
    over = [fault for fault in causes.faults if fault.overlaps(start, max([end, *sent]))]
    known = Counter(part for finding in run for part in causes.why(finding).split("; ") if part != UNKNOWN)
    why = "; ".join(part for part, _ in known.most_common(_MOST_CAUSES)) or UNKNOWN
    return Gap(signal, tenant, start, end, len(run), ", ".join(str(fault) for fault in over) or None, why)


def faults_of(runs: Path, campaign: str) -> list[Fault]:
    """The faults of a campaign, from its own events and those of its stages; empty when it is not known."""
    spec = read_json(runs / campaign / "spec.json")
    if not isinstance(spec, dict):
        return []
    stages = [event for event in read_events(runs / campaign / "events.jsonl") if event.get("type") == "stage.starting"]
    folders = {str(stage["run_id"]) for stage in stages if stage.get("run_id")} | {campaign}
    begun: dict[str, dict[str, Any]] = {}
    ended: dict[str, float] = {}
    for name in sorted(folders):
        for event in read_events(runs / name / "events.jsonl"):
            if event.get("type") == "fault.injected":
                begun[str(event["id"])] = event
            elif event.get("type") == "fault.reverted":
                ended[str(event["id"])] = float(event.get("reverted_at") or event["ts"])
    return [
        Fault(
            id_, str(event.get("fault")), str(event.get("target")), float(event.get("injected_at") or event["ts"]),
            ended.get(id_),
        )
        for id_, event in begun.items()
    ]  # fmt: skip
