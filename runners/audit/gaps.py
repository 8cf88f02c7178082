"""Gaps: lost items that lie close together in time, and the fault that overlapped them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.audit.judge import Finding
from runners.events import read_events
from runners.ledger.attempt import Batch
from runners.ledger.items import Signal
from runners.ledger.reader import Fate
from runners.lib.files import read_json


@dataclass(frozen=True)
class Fault:
    """reverted_at: None while it lasts. Times in Unix seconds."""

    id: str
    fault: str
    target: str
    injected_at: float
    reverted_at: float | None

    def __str__(self) -> str:
        return f"{self.fault} {self.target}"


@dataclass(frozen=True)
class Gap:
    """start, end: of the lost items' own times, in Unix seconds."""

    signal: Signal
    tenant: str
    start: float
    end: float
    items: int
    fault: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "signal": self.signal, "tenant": self.tenant, "from": self.start, "to": self.end, "items": self.items,
            "fault": self.fault,
        }  # fmt: skip


def gaps(lost: Iterable[Finding], fates: Mapping[Batch, Fate], faults: Sequence[Fault], tick_s: float) -> list[Gap]:
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
                found.append(_gap(signal, tenant, run, fates, faults))
                run = []
            run.append(finding)
        found.append(_gap(signal, tenant, run, fates, faults))
    return sorted(found, key=lambda gap: (gap.start, gap.tenant, gap.signal))


def _gap(
    signal: Signal, tenant: str, run: Sequence[Finding], fates: Mapping[Batch, Fate], faults: Sequence[Fault]
) -> Gap:
    start, end = run[0].time / 1e9, run[-1].time / 1e9
    # Items are made before they are sent: what broke their requests may have come a tick later.
    sent = [fates[finding.batch].sent_at / 1e9 for finding in run if finding.batch is not None]
    over = [fault for fault in faults if _overlap(fault, start, max([end, *sent]))]
    return Gap(signal, tenant, start, end, len(run), ", ".join(str(fault) for fault in over) or None)


def _overlap(fault: Fault, start: float, end: float) -> bool:
    return fault.injected_at <= end and (fault.reverted_at is None or fault.reverted_at >= start)


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
