"""Events to rows: pure, in order, and the same rows however the stream is cut into batches.

A `Reducer` belongs to one event file. It remembers what earlier events meant (declared series, tests seen, open
chunks); `dump` and `restore` carry that over a restart. An event whose fields are not as the protocol says is
counted as malformed and skipped: one bad line must not stop the ingest of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from runners.events import Event, series_key, split_series
from runners.results.points import KINDS, Track
from runners.results.rows import Rows, document, identity, moment, number, text

ENVELOPE = ("v", "seq", "ts", "mono_ns", "run", "stage", "type")
OUTCOMES = ("passed", "failed", "skipped", "invalid")


class Reducer:
    """What all event files have in common: metrics, findings, artifacts, faults, ledgers, tests."""

    def __init__(self, run: str, campaign: str, suite: str) -> None:
        """campaign: the top-level run (the run itself for a campaign). suite: '' for a campaign."""
        self.run, self.campaign, self.suite = run, campaign, suite
        self.tracks: dict[str, Track] = {}
        self.plan: list[str] = []
        self.outcomes: dict[str, tuple[int, str]] = {}
        self.malformed = 0
        self.changed = True
        self._counted: dict[str, int] = {}
        self._rows = Rows()
        self._handlers: dict[str, Callable[[Event], None]] = {
            "metric.points": self._points, "metric.declare": self._declare, "test.finished": self._test,
            "finding": self._finding, "artifact": self._artifact, "ledger": self._ledger,
            "fault.injected": self._injected, "fault.reverted": self._reverted, "fault.failed": self._fault_failed,
            "recovery": self._recovery, "run.started": self._started, "unreadable": lambda _: self._refuse(),
        }  # fmt: skip

    def reduce(self, events: Iterable[Event]) -> Rows:
        """The rows that these events add or change."""
        self._rows = rows = Rows()
        for event in events:
            handler = self._handlers.get(event.get("type", ""))
            if handler is None:
                continue
            try:
                handler(event)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                self._refuse()
        for track in self.tracks.values():
            if refused := track.flush(self.run, rows):
                self._refuse(refused)
        self._count()
        return rows

    # -- what survives a restart

    def dump(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "plan": self.plan,
            "outcomes": {name: list(value) for name, value in self.outcomes.items()},
            "series": {key: [track.unit, track.kind] for key, track in self.tracks.items()},
            "malformed": self.malformed,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """The open chunks and summaries come from the database: see `Track.restore`."""
        self.plan = list(saved["plan"])
        self.outcomes = {name: (attempt, outcome) for name, (attempt, outcome) in saved["outcomes"].items()}
        for key, (unit, kind) in saved["series"].items():
            name, labels = split_series(key)
            self.tracks[key] = Track(name, labels, unit, kind)
        self.malformed = saved["malformed"]
        self.changed = False
        self._counted = self._counters()

    # -- tests and counters

    def _started(self, event: Event) -> None:
        self.plan = list(dict.fromkeys(_name(item) for item in event["plan"]))
        self.changed = True

    def _test(self, event: Event) -> None:
        name, attempt, outcome = _name(event["id"]), int(event.get("attempt", 1)), event["outcome"]
        before = self.outcomes.get(name)
        if outcome not in OUTCOMES or (before is not None and attempt <= before[0]) or not 0 < attempt < 10_000:
            raise ValueError("not an outcome, or an attempt told twice")
        at = moment(event["ts"])
        test = identity(self.suite, name)
        self.outcomes[name] = (attempt, outcome)
        self.changed = True
        self._rows.tests[test] = (test, self.suite, name)
        message = text(event.get("message"))
        self._rows.results.append((self.run, test, attempt, outcome, at, number(event.get("duration_ms")), message))

    def _counters(self) -> dict[str, int]:
        counters = dict.fromkeys(OUTCOMES, 0)
        for _, outcome in self.outcomes.values():
            counters[outcome] += 1
        missing = sum(name not in self.outcomes for name in self.plan)
        return counters | {
            "planned": len(self.plan),
            "not_run": missing,
            "malformed": self.malformed,
        }

    def _count(self) -> None:
        """Add the change since the last time to this run and to its campaign."""
        now = self._counters() if self.changed else self._counted
        change = {name: now[name] - self._counted.get(name, 0) for name in now}
        self._counted = now
        if any(change.values()):
            for run in {self.run, self.campaign}:
                self._rows.count(run, change)
            if self.run != self.campaign:  # its row may be new: the campaign's events may come later
                self._rows.execution(self.run, parent_id=self.campaign)

    def _refuse(self, events: int = 1) -> None:
        self.malformed += events
        self.changed = True

    # -- metrics

    def _declare(self, event: Event) -> None:
        labels = {_name(key): _name(value) for key, value in (event.get("labels") or {}).items()}
        kind = event.get("kind", "gauge")
        if kind not in KINDS:
            raise ValueError("not a kind of metric")
        self._track(series_key(_name(event["name"]), labels), _name(event.get("unit") or "1"), kind)

    def _track(self, key: str, unit: str, kind: str) -> Track:
        if key not in self.tracks:
            name, labels = split_series(key)
            self.tracks[key] = Track(name, labels, unit, kind)
            self.changed = True
        return self.tracks[key]

    def _points(self, event: Event) -> None:
        refused = 0
        for item in event.get("many") or [event]:
            try:
                key, t, v = item["series"], item["t"], item["v"]
                track = self.tracks.get(key)
                if track is None:  # points before their declaration: the values tell the kind
                    is_histogram = bool(v) and isinstance(v[0], dict)
                    kind, unit = ("histogram", "s") if is_histogram else ("gauge", "1")
                    track = self._track(_name(key), unit, kind)
                refused += track.add(t, v)
            except (KeyError, TypeError, ValueError, IndexError):
                refused += 1
        if refused:
            self._refuse(refused)

    # -- the others

    def _finding(self, event: Event) -> None:
        fields = {key: value for key, value in event.items() if key not in ENVELOPE}
        row = (
            self.run, int(event["seq"]), moment(event["ts"]), text(event.get("rule")), text(event.get("severity")),
            text(event.get("message")), document(fields),
        )  # fmt: skip
        self._rows.findings.append(row)

    def _artifact(self, event: Event) -> None:
        path, digest = _name(event["path"]), text(event.get("sha256"))
        if digest is not None and len(digest) > 64:
            raise ValueError("not a SHA-256")
        self._rows.artifacts[self.run, path] = (self.run, path, digest, text(event.get("kind")))

    def _ledger(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "audit":
            content = event["document"]
        elif kind == "sent":
            content = {key: value for key, value in event.items() if key not in (*ENVELOPE, "kind")}
        else:
            raise ValueError("not a kind of ledger")
        if not isinstance(content, dict):
            raise TypeError("not a document")
        self._rows.ledgers[self.run, kind] = (self.run, kind, self.campaign, document(content))

    def _injected(self, event: Event) -> None:
        effect = event.get("effect")
        self._fault(
            event,
            injected_at=moment(event.get("injected_at", event["ts"])),
            effect=None if effect is None else document(effect),
            ttl_s=number(event.get("ttl_s")),
        )

    def _reverted(self, event: Event) -> None:
        at = moment(event.get("reverted_at", event["ts"]))
        self._fault(event, reverted_at=at, reverted_by=text(event.get("by")))

    def _fault_failed(self, event: Event) -> None:
        self._fault(event, failed_reason=text(event.get("reason")) or "failed")

    def _recovery(self, event: Event) -> None:
        names = ("detected_at", "recovered_at", "time_to_detect_s", "time_to_recover_s")
        self._fault(event, **{name: number(event.get(name)) for name in names})

    def _fault(self, event: Event, **columns: Any) -> None:
        # A fault belongs to the stage that injected it; the coordinator only ever reverts it.
        owner = self.run if self.run != self.campaign or event["type"] != "fault.reverted" else None
        self._rows.fault(
            self.campaign, _name(event["id"]), execution_id=owner,
            fault=text(event.get("fault")), target=text(event.get("target")), **columns,
        )  # fmt: skip


def _name(value: Any) -> str:
    """A non-empty text. Raises TypeError or ValueError."""
    if not isinstance(value, str) or not (name := text(value)):
        raise TypeError("not a name")
    return name
