"""The way to one store: a bounded queue, writer threads, answers.

    WriteQueue → writer thread: take up to `group` requests, decode, store, answer

Threads and not tasks: decoding is computation, and the event loop must go on refusing requests while it runs. A lane of its
own for each store: one that is slow or away holds up nobody else's signals.
"""

from __future__ import annotations

import threading
import time
from hashlib import blake2b

import orjson

from observastack import defects
from observastack.config import Config
from observastack.ingest import dropping
from observastack.ingest.counters import Counters
from observastack.ingest.formats import to_otlp
from observastack.ingest.log import log
from observastack.ingest.otlp import BadRequest, Dictionary, TooLarge, decode
from observastack.ingest.queueing import WriteQueue
from observastack.ingest.request import Answer, Request, accepted, unavailable
from observastack.ingest.sinks.port import Maker, Sink
from observastack.store.rows import row_time
from observastack.store.write import SignalWriter, Unavailable, Write


class Lane:
    """The writer threads of one store."""

    def __init__(self, name: str, config: Config, counters: Counters, make: Maker) -> None:
        self.name, self._make = name, make
        self._settings = config.ingest
        self._connection = config.database.connection("ingest")
        self._counters = counters
        self._dictionary = Dictionary()
        self._embedded = name == "embedded"
        self._unavailable_logged, self._unavailable_requests = float("-inf"), 0
        self.queue = WriteQueue(config.ingest.queue_requests, config.ingest.queue_bytes)
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(max(1, config.ingest.writers))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        """Whether every writer runs."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Write what is queued, then end."""
        self.queue.close(len(self._threads))

    def ended(self, deadline: float) -> bool:
        """Wait until time.monotonic() is `deadline` for the writers to end; whether they have."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        writer = SignalWriter(self._connection)
        sink = self._make(writer)
        while self._turn(writer, sink):
            pass
        sink.close()
        writer.close()

    def _turn(self, writer: SignalWriter, sink: Sink) -> bool:
        """What is taken from the queue at once, from there to its answers; False when the queue is closed. A function of its own,
        so that nothing of it outlives it while the writer waits for more."""
        requests = self.queue.take(sink.group)
        if requests is None:
            return False
        try:
            self._store(writer, sink, requests)
        except Unavailable as error:
            if error.unknown and not self._embedded:
                # The store hangs. Who has waited for this writer meanwhile would only wait for the next time-out too.
                requests += self.queue.drain()
            self._unavailable(requests, error)
        except Exception as error:  # a writer that dies leaves every later request without an answer
            log("writer.error", store=self.name, error=repr(error))
            sink.close()
            writer.close()
        for request in requests:
            self._answer(request, Answer(503, code="unavailable", message="the request could not be stored"))
        return True

    def _store(self, writer: SignalWriter, sink: Sink, requests: list[Request]) -> None:
        """Raises Unavailable."""
        ready = [request for request in requests if self._prepare(writer, sink, request)]
        if not ready:
            return
        started = time.monotonic()
        try:
            noop = defects.active("ack_noop")
            answers = [accepted(request.batch) for request in ready if request.batch] if noop else sink.store(ready)
        except Unavailable:
            self._counters.add("observastack_ingest_transactions_total", store=self.name, result="unavailable")
            raise
        self._counters.add("observastack_ingest_transactions_total", store=self.name, result="committed")
        self._counters.add("observastack_ingest_transaction_seconds_total", time.monotonic() - started, store=self.name)
        self._counters.add("observastack_ingest_grouped_requests_total", len(ready), store=self.name)
        for request, answer in zip(ready, answers, strict=True):
            if answer.stored:
                self._stored(request)
            self._answer(request, answer)

    def _prepare(self, writer: SignalWriter, sink: Sink, request: Request) -> bool:
        """Decode; False when the request is answered already. Raises Unavailable."""
        try:
            tenant = writer.tenant(request.tenant)
            if tenant is None:
                self._answer(request, Answer(403, code="forbidden", message="unknown tenant"))
                return False
            if not tenant.active and not defects.active("suspended_tenant_writes"):
                self._answer(request, Answer(403, code="tenant_suspended", message="the tenant is suspended"))
                return False
            request.otlp = to_otlp(request, self._settings.max_inflated_bytes, self._settings.max_json_bytes)
            now = time.time_ns()
            first = sink.first_id()
            batch = decode(
                request.signal,
                request.otlp,
                json=False,
                tenant=tenant.number,
                dictionary=self._dictionary,
                first_id=first,
                now=now,
            )
        except BadRequest as error:
            status = 500 if defects.active("malformed_500") else 400
            self._answer(request, Answer(status, code="invalid_request", message=str(error)))
            return False
        except TooLarge as error:
            self._answer(request, Answer(413, code="too_large", message=str(error)))
            return False
        sink.used(len(batch.rows))
        decoded = batch.items + batch.rejected_items
        batch.keep_window(now - self._settings.oldest_s * 10**9, now + self._settings.newest_s * 10**9)
        if defects.active("drop_spans_late") and request.signal == "traces":
            batch.rows = [row for row in batch.rows if row_time(row) > now - 60 * 10**9]
        if defects.active("duplicate_samples") and request.signal == "metrics":
            batch.rows += batch.rows
        if batch.rejected and defects.active("partial_fails_all"):
            self._answer(request, Answer(400, code="invalid_request", message=batch.message()))
            return False
        if defects.active("drop_acked_1pct"):
            request.dropped = dropping.drop(batch, self._dictionary)
        request.batch, request.whole = batch, batch.items == decoded
        write = request.write = Write(tenant.number, batch.signal, batch.rows, batch.resources, batch.series)
        if request.key is not None and not defects.active("dup_on_retry"):
            write.key = request.key
            write.digest = blake2b(request.signal.encode() + b"\0" + request.otlp, digest_size=16).digest()
            write.result = orjson.dumps({"rejected": batch.rejected_items, "message": batch.message()})
        return True

    def _stored(self, request: Request) -> None:
        """The store has acknowledged the request's batch."""
        batch, write = request.batch, request.write
        assert batch is not None and write is not None
        if self._embedded:
            # Other stores get resources and series along with every item: for them nothing is ever known already.
            self._dictionary.committed(write.tenant, batch)
        dropping.report(batch, request.tenant, request.dropped)
        labels = {"signal": request.signal, "tenant": request.tenant}
        accepted = batch.items - batch.refused + len(request.dropped)
        self._counters.add("observastack_ingest_items_total", accepted, outcome="accepted", **labels)
        if batch.rejected_items:
            self._counters.add("observastack_ingest_items_total", batch.rejected_items, outcome="rejected", **labels)

    def _unavailable(self, requests: list[Request], error: Unavailable) -> None:
        self._unavailable_requests += len(requests)
        if (now := time.monotonic()) - self._unavailable_logged >= 1:  # an outage under load is not thousands of lines
            log("store.unavailable", store=self.name, error=str(error), requests=self._unavailable_requests)
            self._unavailable_logged, self._unavailable_requests = now, 0
        for request in requests:
            self._answer(request, Answer(200) if defects.active("ack_when_down") else unavailable(error))

    def _answer(self, request: Request, answer: Answer) -> None:
        """The first answer counts."""
        if request.answered:
            return
        request.answered = True
        self._counters.add("observastack_ingest_requests_total", signal=request.signal, status=str(answer.status))
        request.answer(answer)
