"""What a generator tells while it sends, and what became of what it did, as people read it."""

from __future__ import annotations

from collections import Counter

from runners.events import Event

_ITEMS = {"logs": "log records", "traces": "spans", "metrics": "samples"}
_WORTH_TELLING_S = 1.0


class Sending:
    """Takes the events of stages; `text` is what there is to say meanwhile, empty where nothing is sent."""

    def __init__(self) -> None:
        self._items: Counter[str] = Counter()
        self._late_s = 0.0

    def take(self, event: Event) -> None:
        if event["type"] != "metric.points":
            return
        for one in event.get("many", ()):
            name = str(one["series"]).partition("{")[0]
            if name == "data.late":
                self._late_s = float(one["v"][-1])
            elif name.startswith("data."):
                self._items[name.removeprefix("data.")] += sum(one["v"])

    @property
    def text(self) -> str:
        if not self._items["sent"]:
            return ""
        parts = [f"{self._items['acked']:,} items acknowledged"]
        # Those of which the fate is open are no cause of concern until there are many: they are under way.
        parts += [f"{self._items[what]:,} {what}" for what in ("rejected", "unknown") if self._items[what]]
        if self._late_s >= _WORTH_TELLING_S:
            parts.append(f"{self._late_s:.0f} s late")
        return ", ".join(parts)


def summary(event: Event) -> str:
    """Of an event `ledger` of the kind `sent`."""
    sent, acked = event["sent"], event["acked"]
    fates = [
        f"{event[what]:,} {word}"
        for what, word in (("rejected", "rejected"), ("unknown", "of unknown fate"))
        if event[what]
    ]
    if sent and not fates:
        text = f"{sent:,} items, all acknowledged"
    else:
        text = f"{sent:,} items: {', '.join([f'{acked:,} acknowledged', *fates])}"
    signals = event.get("signals") or {}
    if of := [f"{signals[name]:,} {word}" for name, word in _ITEMS.items() if signals.get(name)]:
        text += f" ({', '.join(of)})"
    before = event.get("settled_before")
    if before is not None:
        text += "; nothing had been missing" if before == sent else f"; {before:,} of them before it was taken up again"
    return f"{text} · generator: {event['cpu_s']:.1f} s of processor time, {event['rss_mb']:.0f} MB"


def heard(event: Event) -> str:
    """Of an event `score`: which of the alerts that a run was due to raise came, and how soon."""
    said = event["document"]
    text = f"{said['detected']} of {said['expected']} alerts in time, {said['false']} false"
    if said.get("doubtful"):
        text += f", {said['doubtful']} that name no tenant"
    figures = [f"{name} {said[name]:.3f}" for name in ("recall", "precision") if said[name] is not None]
    soon = said["time_to_detect_s"]
    if soon["median"] is not None:
        figures.append(f"after {soon['median']:.0f} s, {soon['max']:.0f} s at most")
    return f"{text}: {', '.join(figures)}" if figures else text
