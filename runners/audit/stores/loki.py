"""Log records of a run, read from Grafana Loki itself.

A page is full when it has as many lines as were asked for; then the lines of its last nanosecond may not all be in it: they
are left out, and the next page begins there. When a page holds a single nanosecond, that is asked for in parts, by the first
digits of the items' ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runners.audit.reader import Unreadable
from runners.audit.stores.questions import Questions
from runners.ledger.items import ITEM_ATTRIBUTE, RUN_ATTRIBUTE, TENANT_ATTRIBUTE, Signal
from runners.ledger.pushed import STREAM
from runners.ledger.sight import Sight, label_name

_PATH = "/loki/api/v1/query_range"
_PAGE, _LEAST_PAGE = 5_000, 100
_LONGEST_NS = 24 * 3600 * 10**9  # of one question; Loki has a limit of its own (30 days)
_RUN, _ITEM, _TENANT = map(label_name, (RUN_ATTRIBUTE, ITEM_ATTRIBUTE, TENANT_ATTRIBUTE))
_ITS_OWN = ("detected_level", "__error__", "__error_details__")
LOOK_BACK_NS = 2 * 3600 * 10**9
"""How old a line may be, at least, that Loki looks for among those that it has not flushed (its default: nearly three hours)."""
_DIGITS = "0123456789abcdef"
_OTHER = "([^0-9a-f].*)?"


class LokiReader:
    """The tenant is the header X-Scope-OrgID; of a Loki with one tenant for all, the mark that each record carries."""

    def __init__(
        self, url: str, run: str, *, shared: bool = False, page: int = _PAGE, patience_s: float = 30.0
    ) -> None:
        """shared: all tenants of the run are one to this Loki; page: lines of an answer."""
        self._ask, self._run, self._shared, self._page = (
            Questions("Loki", url, patience_s=patience_s),
            run,
            shared,
            page,
        )

    @property
    def sight(self) -> Sight:
        """The same line at the same moment is stored once."""
        return Sight(labels=True, duplicates=False, leaks=not self._shared)

    def flush(self) -> None:
        """Let Loki write down what it has in memory: there it finds lines of any age. Raises Unreadable."""
        self._ask.tell("/flush")

    def close(self) -> None:
        self._ask.close()

    def read(self, tenant: str, signal: Signal, start_ns: int, end_ns: int) -> Iterator[dict[str, Any]]:
        """See `audit.reader.Reader`."""
        assert signal == "logs"
        query = f'{{{STREAM[0]}=~".+"}} | {_RUN}="{self._run}"'
        if self._shared:
            query += f' | {_TENANT}="{tenant}"'
        while start_ns < end_ns:
            until = min(end_ns, start_ns + _LONGEST_NS)
            yield from self._between(tenant, query, start_ns, until)
            start_ns = until

    def _between(self, tenant: str, query: str, start: int, end: int) -> Iterator[dict[str, Any]]:
        while start < end:
            page = self._lines(tenant, query, start, end)
            if len(page) < self._page:
                yield from map(_shown, page)
                return
            last = page[-1][0]
            if last == page[0][0]:
                yield from self._moment(tenant, query, last, "")
                start = last + 1
                continue
            yield from (_shown(line) for line in page if line[0] != last)
            start = last

    def _moment(self, tenant: str, query: str, at: int, digits: str) -> Iterator[dict[str, Any]]:
        """All lines of one nanosecond whose ids begin with these digits."""
        for begins in (*_DIGITS, _OTHER):
            expression = digits + begins + ("" if begins == _OTHER else ".*")
            # Loki does not anchor what filters structured metadata.
            page = self._lines(tenant, f'{query} | {_ITEM}=~"^{expression}$"', at, at + 1)
            if len(page) < self._page:
                yield from map(_shown, page)
            elif begins == _OTHER or len(digits) >= len(_DIGITS):
                raise Unreadable(f"Loki has more than {self._page:,} lines at {at} ns that cannot be told apart")
            else:
                yield from self._moment(tenant, query, at, digits + begins)

    def _lines(self, tenant: str, query: str, start: int, end: int) -> list[tuple[int, str, dict[str, str]]]:
        """(time, line, labels and metadata), at most a page, the oldest first."""
        headers = {} if self._shared else {"X-Scope-OrgID": tenant}
        while True:
            answer = self._ask.get(
                _PATH, {"query": query, "start": str(start), "end": str(end), "limit": str(self._page), "direction": "forward"},
                headers, (200, 400),
            )  # fmt: skip
            if answer.status_code == 200:
                break
            if "max entries limit" not in answer.text or self._page <= _LEAST_PAGE:
                raise Unreadable(f"Loki at {self._ask.url} answered 400: {answer.text[:200].strip()}")
            self._page //= 2
        try:
            found = [
                (int(at), str(line), dict(one["stream"]))
                for one in self._ask.data(answer, "streams")
                for at, line, *_ in one["values"]
            ]
        except (KeyError, TypeError, ValueError):
            raise self._ask.garbage(answer) from None
        found.sort(key=lambda line: line[0])
        return found


def _shown(line: tuple[int, str, dict[str, str]]) -> dict[str, Any]:
    at, body, labels = line
    for name in _ITS_OWN:
        labels.pop(name, None)
    content = {"body": body, "attributes": labels, "span_id": labels.get("span_id")}
    return {
        "time_unix_nano": str(at), "service": labels.get(STREAM[0]), "trace_id": labels.get("trace_id"), "content": content
    }  # fmt: skip
