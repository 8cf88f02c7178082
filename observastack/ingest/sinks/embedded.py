"""The platform's own PostgreSQL: several requests in one transaction, idempotency keys in the same one."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from observastack.ingest.log import log
from observastack.ingest.otlp.batch import MAX_ITEMS
from observastack.ingest.request import Answer, Request, accepted, unavailable
from observastack.store.write import RowsRefused, SignalWriter, Unavailable


class EmbeddedSink:
    """See sinks.port.Sink."""

    def __init__(self, writer: SignalWriter, group: int) -> None:
        self._writer = writer
        self.group = group

    def first_id(self) -> int:
        return self._writer.item_ids(MAX_ITEMS)

    def used(self, count: int) -> None:
        self._writer.used(count)

    def close(self) -> None:
        self._writer.close()

    def store(self, requests: Sequence[Request]) -> Sequence[Answer]:
        try:
            self._commit(requests)
        except RowsRefused:
            # One bad request must not fail its neighbours. A lone one gets its second chance too: a partition that somebody
            # dropped is made again by now.
            return [self._alone(request) for request in requests]
        return [_answer(request) for request in requests]

    def _alone(self, request: Request) -> Answer:
        try:
            self._commit([request])
        except RowsRefused as reason:
            log("request.refused", signal=request.signal, tenant=request.tenant, reason=str(reason))
            return Answer(400, code="invalid_request", message="the store cannot represent the request's data")
        except Unavailable as error:  # its neighbours may be stored already: theirs is another answer
            return unavailable(error)
        return _answer(request)

    def _commit(self, requests: Sequence[Request]) -> None:
        """One transaction. Raises RowsRefused, Unavailable."""
        self._writer.write([request.write for request in requests if request.write is not None])


def _answer(request: Request) -> Answer:
    batch, write = request.batch, request.write
    assert batch is not None and write is not None
    if write.outcome == "conflict":
        message = "the Idempotency-Key was used for another request"
        return Answer(422, code="idempotency_conflict", message=message)
    if write.outcome == "repeated":
        first = orjson.loads(write.result)
        return Answer(200, first["rejected"], first["message"])
    return accepted(batch)
