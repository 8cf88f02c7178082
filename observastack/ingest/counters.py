"""The gateway's own metrics in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

_HELP = {
    "observastack_ingest_requests_total": "Export requests by answer.",
    "observastack_ingest_items_total": "Items by what became of them.",
    "observastack_ingest_bytes_total": "Bytes of request bodies as received.",
    "observastack_ingest_transactions_total": "Writes to a store by result.",
    "observastack_ingest_transaction_seconds_total": "Time spent in acknowledged writes.",
    "observastack_ingest_grouped_requests_total": "Requests of the acknowledged writes.",
}
_GAUGES = {
    "observastack_ingest_queue_requests": "Requests waiting for a writer.",
    "observastack_ingest_queue_bytes": "Bytes of the bodies waiting for a writer.",
}
Labels = tuple[tuple[str, str], ...]


class Counters:
    """Counters that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[tuple[str, Labels]] = Counter()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._values[key] += value  # type: ignore[assignment]  # Counter is typed for whole numbers, seconds are not

    def text(self, gauges: Mapping[str, float]) -> str:
        """All series; `gauges` by their name without prefix."""
        with self._lock:
            values = sorted(self._values.items())
        lines: list[str] = []
        for name, explanation in _HELP.items():
            lines += [f"# HELP {name} {explanation}", f"# TYPE {name} counter"]
            lines += [f"{name}{_labels(labels)} {value}" for (known, labels), value in values if known == name]
        for name, explanation in _GAUGES.items():
            lines += [f"# HELP {name} {explanation}", f"# TYPE {name} gauge", f"{name} {gauges[name]}"]
        return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    escaped = ((key, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, value in labels)
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}" if labels else ""
