"""One audit from beginning to end: wait, read, judge, put into words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runners.audit.barrier import wait_visible
from runners.audit.causes import Causes, Fault, Outage
from runners.audit.gaps import Gap, gaps
from runners.audit.judge import WRONG, Counts, Finding, Judge
from runners.audit.reader import Reader
from runners.audit.source import Source
from runners.ledger.attempt import Batch
from runners.ledger.items import SIGNALS, Signal
from runners.ledger.reader import Fate
from runners.ledger.refusals import Refusal
from runners.ledger.sight import Sight
from runners.lib.errors import NotReady

Verdict = Literal["passed", "failed", "invalid"]
FATAL = tuple(name for name in WRONG if name != "duplicated_by_retry")
_MARGIN_NS = 5 * 10**9


@dataclass(frozen=True)
class Audit:
    """counts: by tenant and signal; late: what was not visible when the wait ended; reason: why it is invalid; unread: of
    signals that were not read back, why; said: by the sinks, when they did not take a request, the most frequent first."""

    verdict: Verdict
    counts: Mapping[tuple[str, Signal], Counts]
    findings: Sequence[Finding] = ()
    gaps: Sequence[Gap] = ()
    late: Sequence[tuple[str, Signal]] = ()
    reason: str = ""
    tenants: tuple[str, ...] = field(default=())
    unread: Mapping[Signal, str] = field(default_factory=dict)
    said: Sequence[Refusal] = ()

    def of(self, signal: Signal) -> Counts:
        total = Counts()
        for tenant in self.tenants:
            total.add(self.counts[tenant, signal])
        return total

    def verdict_of(self, signal: Signal) -> Verdict:
        return "invalid" if self.reason else verdict_of([self.counts[tenant, signal] for tenant in self.tenants])

    def silent(self, signal: Signal) -> list[str]:
        """Tenants of which nothing was acknowledged: the platform cannot be held to anything there."""
        return [tenant for tenant in self.tenants if not self.counts[tenant, signal].acked]

    def to_json(self) -> dict[str, Any]:
        """The document of `data audit --json`."""
        document: dict[str, Any] = {
            "verdict": self.verdict,
            "signals": {signal: self.of(signal).to_json() for signal in SIGNALS},
            "tenants": {
                tenant: {signal: self.counts[tenant, signal].to_json() for signal in SIGNALS} for tenant in self.tenants
            },
            "gaps": [gap.to_json() for gap in self.gaps],
        }
        if self.said:
            document["said"] = [
                {"signal": one.signal, "status": one.status, "text": one.text, "attempts": one.attempts, "from": one.first, "to": one.last}
                for one in self.said
            ]  # fmt: skip
        if self.unread:
            document["not_read"] = dict(self.unread)
            for of in (document["signals"], *document["tenants"].values()):
                for signal in self.unread:
                    _unknown(of[signal])
        if self.late:
            document["not_visible_in_time"] = [{"tenant": tenant, "signal": signal} for tenant, signal in self.late]
        if self.reason:
            document["reason"] = self.reason
            for counts in (
                *document["signals"].values(), *(each for of in document["tenants"].values() for each in of.values())
            ):  # fmt: skip
                _unknown(counts)
        return document


def _unknown(counts: dict[str, Any]) -> None:
    """Of what was not read nothing is known, which is not 0."""
    counts.update(dict.fromkeys(("found", *WRONG)))
    counts["not_observable"] = counts["acked"]


def verdict_of(counts: Sequence[Counts]) -> Verdict:
    """counts: of each tenant. failed when anything is wrong; invalid when of one of them nothing was acknowledged, so
    that nothing could be wrong."""
    if any(one.wrong[name] for one in counts for name in FATAL):
        return "failed"
    return "passed" if counts and all(one.acked for one in counts) else "invalid"


def audit(
    source: Source, fates: Mapping[Batch, Fate], reader: Reader, *, honoured: bool, wait_s: float, tick_s: float,
    faults: Callable[[], Sequence[Fault]] = tuple, progress: Callable[[str], None] = lambda _text: None,
    outages: Callable[[], Sequence[Outage]] = tuple, bystanders: Sequence[str] = (), sights: Mapping[Signal, Sight] | None = None, unread: Mapping[Signal, str] | None = None,
    said: Sequence[Refusal] = (),
) -> Audit:  # fmt: skip
    """Raises Unreadable when the store cannot be read to the end. faults, outages: asked for when something is
    wrong.

    bystanders: tenants that the run does not write for; whatever of it they can read has leaked. sights: what the store of
    each signal can show. unread: signals that are not read back, and why: nothing is said of them.
    """
    tenants, unread = source.identity.tenants, unread or {}
    aside = Judge(source, {batch: fate for batch, fate in fates.items() if batch.signal in unread}, honoured=honoured)
    fates = {batch: fate for batch, fate in fates.items() if batch.signal not in unread} if unread else fates
    judge = Judge(source, fates, honoured=honoured, sights=sights)
    if not fates:
        return Audit("invalid", judge.counts(), reason="the ledger is empty: nothing was sent", tenants=tenants)
    progress("waiting until what was acknowledged last is visible")
    late = wait_visible(source, fates, reader, wait_s, sights=sights or {})
    start = min(fate.first_time for fate in fates.values()) - _MARGIN_NS
    end = max(fate.last_time for fate in fates.values()) + _MARGIN_NS
    for tenant in (*tenants, *bystanders):
        for signal in (signal for signal in SIGNALS if signal not in unread):
            own = judge.counts().get((tenant, signal))
            progress(f"reading {signal} of {tenant}" + (f": {own.acked:,} were acknowledged" if own else ""))
            for item in reader.read(tenant, signal, max(0, start), end):
                judge.take(tenant, signal, item)
    findings = judge.findings()
    causes = Causes(fates, faults(), outages(), said) if findings else Causes(fates)
    findings = [finding._replace(why=causes.why(finding)) for finding in findings]
    lost = [finding for finding in findings if finding.wrong == "lost"]
    holes = gaps(lost, fates, causes, tick_s)
    counts = {key: (aside if key[1] in unread else judge).counts()[key] for key in judge.counts()}
    verdicts = {
        verdict_of([counts[tenant, signal] for tenant in tenants]) for signal in SIGNALS if signal not in unread
    }
    verdict: Verdict = "failed" if "failed" in verdicts else "invalid" if "invalid" in verdicts else "passed"
    return Audit(verdict, counts, findings, holes, late, tenants=tenants, unread=unread, said=said)


def not_assessed(source: Source, fates: Mapping[Batch, Fate], reason: str) -> Audit:
    """What the ledger says alone, with the reason why nothing could be compared."""
    judge = Judge(source, fates, honoured=True)
    return Audit("invalid", judge.counts(), reason=reason, tenants=source.identity.tenants)


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """One JSON line per item that is wrong, with the natural key by which it is found in the platform. The file is
    there whole, or as it was."""
    whole = path.is_file() or not path.exists()
    beside = path.with_name(f"{path.name}.new") if whole else path  # /dev/stdout is no file to be replaced
    with beside.open("w", encoding="utf-8") as file:
        for finding in findings:
            file.write(json.dumps(_line(finding), ensure_ascii=False, separators=(",", ":")) + "\n")
    if whole:
        beside.rename(path)


def _line(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {
        "wrong": finding.wrong, "signal": finding.signal, "tenant": finding.tenant, "key": finding.key,
        "time_unix_nano": str(finding.time),
    }  # fmt: skip
    if finding.batch is not None:
        found["request"] = {"tick": finding.batch.tick, "part": finding.batch.part}
    if finding.reader is not None:
        found["readable_by"] = finding.reader
    if finding.copies:
        found["copies"] = finding.copies
    return found | {"why": finding.why}


def require_writable(path: Path) -> None:
    """Asked before anything is read. Raises NotReady when findings cannot be written there."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise NotReady("the findings cannot be written there", file=path, remedy="name a file in a folder of yours")
