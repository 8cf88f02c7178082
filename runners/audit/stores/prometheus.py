"""Samples of a run, read from Prometheus itself: raw, window by window. It answers a question whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runners.audit.reader import Unreadable
from runners.audit.stores.questions import Questions
from runners.ledger.items import RUN_ATTRIBUTE, Signal
from runners.ledger.sight import Sight, label_name

_PATH = "/api/v1/query"
_MS = 10**6
_FIRST_MS, _LONGEST_MS, _LEAST_MS = 1_000, 3_600_000, 100
_MOST = 200_000
_RUN = label_name(RUN_ATTRIBUTE)


class PrometheusReader:
    """The tenant is the label `tenant`: everybody who reads a Prometheus sees all of them."""

    def __init__(self, url: str, run: str, *, most: int = _MOST, patience_s: float = 30.0) -> None:
        """most: samples of one answer, about."""
        self._ask, self._run, self._most = Questions("Prometheus", url, patience_s=patience_s), run, most

    @property
    def sight(self) -> Sight:
        """Milliseconds; a series has one sample at a time."""
        return Sight(resolution_ns=_MS, labels=True, duplicates=False, leaks=False)

    def close(self) -> None:
        self._ask.close()

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        """See `audit.reader.Reader`."""
        assert signal == "metrics"
        selector = f'{{tenant="{tenant}",{_RUN}="{self._run}"}}'
        start, end, width = start_ns // _MS, -(-end_ns // _MS), _FIRST_MS
        while start < end:
            until = min(end, start + width)
            found = self._samples(selector, start, until)
            if found is None:
                if until - start <= _LEAST_MS:
                    raise Unreadable(
                        f"Prometheus at {self._ask.url} has more samples in {_LEAST_MS} ms than it gives at once"
                    )
                width = max(_LEAST_MS, (until - start) // 2)
                continue
            yield from found
            start = until
            width = min(_LONGEST_MS, max(_LEAST_MS, width * 2 if len(found) * 3 < self._most else width))
            if len(found) > self._most:
                width = max(_LEAST_MS, width // 2)

    def _samples(self, selector: str, start: int, end: int) -> list[dict[str, Any]] | None:
        """Those of [start, end); None when they are too many for Prometheus."""
        # Older Prometheis take a sample that lies exactly at the beginning too: it belongs to the window before.
        result = self._query(f"{selector}[{end - start}ms]", end - 1)
        if result is None:
            return None
        found: list[dict[str, Any]] = []
        try:
            for series in result:
                labels = dict(series["metric"])
                name, service = labels.pop("__name__", ""), labels.get("service")
                for at, value in series["values"]:
                    time = round(at * 1000)
                    if start <= time < end:
                        content = {"name": name, "attributes": labels, "value": float(value)}
                        found.append({"time_unix_nano": time * _MS, "service": service, "content": content})
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unreadable(
                f"Prometheus at {self._ask.url} gives samples that are none", remedy="give the address of a Prometheus"
            ) from None
        return found

    def _query(self, selector: str, at_ms: int) -> list[Any] | None:
        parameters = {"query": selector, "time": f"{at_ms // 1000}.{at_ms % 1000:03d}"}
        answer = self._ask.get(_PATH, parameters, {}, (200, 422))
        if answer.status_code == 422 and "too many samples" in answer.text:
            return None
        if answer.status_code != 200:
            raise Unreadable(f"Prometheus at {self._ask.url} answered 422: {answer.text[:200]}")
        return self._ask.data(answer, "matrix")
