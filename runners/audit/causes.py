"""Why: what is known of the time and of the request of an item that is wrong. Nothing is guessed.

the request's own attempts     refused in part, rejected, left without an answer, sent again; what was said then, where it is kept
faults                         of the campaign, that overlapped the item's time or its sending
outages                        times in which the generator's requests got no answer: a service that was away or restarted
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from runners.audit.judge import Finding
from runners.ledger.attempt import Attempt, Batch, Flag, Outcome, Settled
from runners.ledger.reader import Fate
from runners.ledger.refusals import Refusal

UNKNOWN = "no cause known"
_APART_S = 2.0
_ANSWERED_S = 60.0  # an attempt is answered within this time, whatever its delivery allows


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

    def overlaps(self, start: float, end: float) -> bool:
        """Times in Unix seconds."""
        return self.injected_at <= end and (self.reverted_at is None or self.reverted_at >= start)


@dataclass(frozen=True)
class Outage:
    """Requests without a known outcome, one after the other. start, end: Unix seconds; statuses: of answers that settle
    nothing, such as 503; without any: no answer came."""

    start: float
    end: float
    requests: int
    statuses: tuple[int, ...] = ()

    def __str__(self) -> str:
        how = f"answered {', '.join(map(phrase, self.statuses))}" if self.statuses else "got no answer"
        many = "a request" if self.requests == 1 else f"{self.requests:,} requests"
        return f"{many} {how} within {self.end - self.start:.1f} s from {self.start:.3f}"


def outages(attempts: Iterable[tuple[Attempt, Settled]]) -> list[Outage]:
    """Those attempts without a known outcome that lie less than two seconds apart are one outage."""
    unknown = sorted(
        (attempt.sent_at / 1e9, attempt.sent_at / 1e9 + settled.took_us / 1e6, settled.status)
        for attempt, settled in attempts
        if settled.outcome is Outcome.UNKNOWN
    )
    found: list[Outage] = []
    for start, end, status in unknown:
        told = (status,) if status else ()
        if found and start - found[-1].end <= _APART_S:
            last = found[-1]
            statuses = tuple(sorted({*last.statuses, *told}))
            found[-1] = Outage(last.start, max(last.end, end), last.requests + 1, statuses)
        else:
            found.append(Outage(start, end, 1, told))
    return found


class Causes:
    """What is known, by request."""

    def __init__(
        self,
        fates: Mapping[Batch, Fate],
        faults: Sequence[Fault] = (),
        outages: Sequence[Outage] = (),
        said: Sequence[Refusal] = (),
    ) -> None:
        """said: by the sinks that the fates are of."""
        self._fates, self.faults, self._outages, self._said = fates, faults, outages, said
        self._known: dict[tuple[str, Batch], str] = {}

    def why(self, finding: Finding) -> str:
        """One sentence without a full stop; `no cause known` when nothing is."""
        if finding.batch is None:
            return _sentence(self._meanwhile(finding.time / 1e9, finding.time / 1e9))
        key = (finding.wrong, finding.batch)
        if key not in self._known:
            fate = self._fates[finding.batch]
            sent = max(fate.last_time, fate.last_sent_at) / 1e9
            self._known[key] = _sentence(self._own(finding, fate) + self._meanwhile(fate.first_time / 1e9, sent))
        return self._known[key]

    def _meanwhile(self, start: float, end: float) -> list[str]:
        found = [f"fault {fault} overlapped" for fault in self.faults if fault.overlaps(start, end)]
        return found + [str(one) for one in self._outages if one.start <= end + 1 and one.end >= start - 1]

    def _own(self, finding: Finding, fate: Fate) -> list[str]:
        """What its request's attempts tell."""
        found = []
        if finding.wrong == "stored_though_rejected" and fate.outcome is not Outcome.PARTIAL:
            if fate.outcome is Outcome.REFUSED and not fate.status:
                found.append(f"its request never was sent{self._words(fate)}")
            else:
                found.append(f"its request was refused: {phrase(fate.status)}{self._words(fate)}")
        elif fate.outcome is Outcome.PARTIAL:
            found.append(
                f"its request was taken in part: {fate.refused_items:,} of {fate.items:,} items refused, {phrase(fate.status)}"
                f"{self._words(fate)}"
            )
        if fate.unknown:
            found.append(f"{fate.unknown} of {fate.attempts} attempts of its request had no known outcome")
        if Flag.RESEND in fate.flags and "duplicated" in finding.wrong:
            found.append("its request was sent again on purpose")
        return found

    def _words(self, fate: Fate) -> str:
        """What was answered with its status while it was tried: its own answer where there was only one such, else one of them."""
        start, end = fate.sent_at / 1e9, fate.last_sent_at / 1e9 + _ANSWERED_S
        texts = [
            one.text
            for one in self._said
            if (one.signal, one.status) == (fate.batch.signal, fate.status) and one.first <= end and one.last >= start
        ]
        if not any(texts):
            return ""
        quoted = next(filter(None, texts)).replace("; ", ", ")  # which stands between two causes
        return f' ("{quoted}")' if len(texts) == 1 else f' (such as "{quoted}")'


def _sentence(known: Sequence[str]) -> str:
    return "; ".join(known) or UNKNOWN


def phrase(status: int) -> str:
    """An HTTP status as people say it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}" if status else "no answer"
