"""From the event loop to the database: a bounded queue, writer threads, answers.

    handler → WriteQueue → writer thread: take up to `group` requests, decode, one transaction, answer

Threads and not tasks: decoding is computation, and the event loop must go on refusing requests while it runs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from observastack import defects
from observastack.config import Config
from observastack.ingest import dropping
from observastack.ingest.body import gunzip
from observastack.ingest.counters import Counters
from observastack.ingest.log import log
from observastack.ingest.otlp import BadRequest, Batch, Dictionary, TooLarge, decode
from observastack.ingest.otlp.batch import MAX_ITEMS
from observastack.store.rows import Signal
from observastack.store.write import RowsRefused, SignalWriter, Unavailable, Write


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told. code and message: of the error, or of a partial success."""

    status: int
    rejected: int = 0
    message: str = ""
    code: str = ""


@dataclass(slots=True)
class Request:
    """One export request. `answer` is called once, from a writer thread."""

    signal: Signal
    tenant: str
    body: bytes
    gzip: bool
    json: bool
    key: str | None
    answer: Callable[[Answer], None]
    answered: bool = False
    batch: Batch | None = None
    write: Write | None = None
    dropped: dropping.Dropped = field(default_factory=list)


class Full(Exception):
    """The queue takes no more: 429."""


class WriteQueue:
    """Bounded by requests and by bytes: a few large bodies fill it as well as many small ones."""

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self.requests = 0
        self.bytes = 0

    def put(self, request: Request) -> None:
        """Raises Full."""
        with self._lock:
            # One request always fits: otherwise a body above most_bytes could never be written.
            if self.requests >= self._most_requests or (
                self.requests and self.bytes + len(request.body) > self._most_bytes
            ):
                raise Full
            self.requests += 1
            self.bytes += len(request.body)
        self._queue.put(request)

    def take(self, most: int) -> list[Request] | None:
        """Wait for a request, take up to `most`; None when the queue is closed."""
        first = self._queue.get()
        if first is None:
            return None
        taken = [first]
        while len(taken) < most:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)  # to be seen again behind these
                break
            taken.append(following)
        with self._lock:
            self.requests -= len(taken)
            self.bytes -= sum(len(request.body) for request in taken)
        return taken

    def close(self, takers: int) -> None:
        """Every taker ends after the requests that are in the queue now."""
        for _ in range(takers):
            self._queue.put(None)


class Pipeline:
    """The writer threads."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self._settings = config.ingest
        self._connection = config.database.connection("ingest")
        self._counters = counters
        self._dictionary = Dictionary()
        self._unavailable_logged, self._unavailable_requests = float("-inf"), 0
        self.queue = WriteQueue(config.ingest.queue_requests, config.ingest.queue_bytes)
        self._threads = [
            threading.Thread(target=self._run, name=f"writer-{number}", daemon=True)
            for number in range(max(1, config.ingest.writers))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        """Whether every writer runs."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self, patience_s: float) -> bool:
        """Write what is queued, then end. False when that took longer than patience_s."""
        self.queue.close(len(self._threads))
        deadline = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        writer = SignalWriter(self._connection)
        while (requests := self.queue.take(self._settings.group)) is not None:
            try:
                self._store(writer, requests)
            except Exception as error:  # a writer that dies leaves every later request without an answer
                log("writer.error", error=repr(error))
                writer.close()
            for request in requests:
                self._answer(request, Answer(503, code="unavailable", message="the request could not be stored"))
        writer.close()

    def _store(self, writer: SignalWriter, requests: list[Request]) -> None:
        try:
            ready = [request for request in requests if self._prepare(writer, request)]
        except Unavailable as error:
            self._unavailable(requests, error)
            return
        if not ready:
            return
        try:
            self._commit(writer, ready)
        except RowsRefused:
            # One bad request must not fail its neighbours. A lone one gets its second chance too: a partition that somebody
            # dropped is made again by now.
            for request in ready:
                try:
                    self._commit(writer, [request])
                except RowsRefused as reason:
                    self._refuse(request, reason)

    def _prepare(self, writer: SignalWriter, request: Request) -> bool:
        """Decode; False when the request is answered already. Raises Unavailable."""
        try:
            tenant = writer.tenant_id(request.tenant)
            if tenant is None:
                self._answer(request, Answer(403, code="forbidden", message="unknown tenant"))
                return False
            body = gunzip(request.body, self._settings.max_inflated_bytes) if request.gzip else request.body
            now = time.time_ns()
            first = writer.item_ids(MAX_ITEMS)
            batch = decode(
                request.signal,
                body,
                json=request.json,
                tenant=tenant,
                dictionary=self._dictionary,
                first_id=first,
                now=now,
            )
        except BadRequest as error:
            self._answer(request, Answer(400, code="invalid_request", message=str(error)))
            return False
        except TooLarge as error:
            self._answer(request, Answer(413, code="too_large", message=str(error)))
            return False
        writer.used(len(batch.rows))
        batch.keep_window(now - self._settings.oldest_s * 10**9, now + self._settings.newest_s * 10**9)
        if defects.active("drop_acked_1pct"):
            request.dropped = dropping.drop(batch, self._dictionary)
        request.batch = batch
        write = request.write = Write(tenant, batch.signal, batch.rows, batch.resources, batch.series)
        if request.key is not None and not defects.active("dup_on_retry"):
            write.key = request.key
            write.digest = blake2b(request.signal.encode() + b"\0" + body, digest_size=16).digest()
            write.result = orjson.dumps({"rejected": batch.rejected_items, "message": batch.message()})
        return True

    def _commit(self, writer: SignalWriter, requests: list[Request]) -> None:
        """One transaction, then the answers. Raises RowsRefused."""
        started = time.monotonic()
        writes = [request.write for request in requests if request.write is not None]
        try:
            writer.write(writes)
        except Unavailable as error:
            self._counters.add("observastack_ingest_transactions_total", result="unavailable")
            self._unavailable(requests, error)
            return
        except RowsRefused:
            self._counters.add("observastack_ingest_transactions_total", result="refused")
            raise
        self._counters.add("observastack_ingest_transactions_total", result="committed")
        self._counters.add("observastack_ingest_transaction_seconds_total", time.monotonic() - started)
        self._counters.add("observastack_ingest_grouped_requests_total", len(requests))
        for request in requests:
            self._committed(request)

    def _committed(self, request: Request) -> None:
        batch, write = request.batch, request.write
        assert batch is not None and write is not None
        if write.outcome == "conflict":
            message = "the Idempotency-Key was used for another request"
            self._answer(request, Answer(422, code="idempotency_conflict", message=message))
            return
        if write.outcome == "repeated":
            first = orjson.loads(write.result)
            self._answer(request, Answer(200, first["rejected"], first["message"]))
            return
        self._dictionary.committed(write.tenant, batch)
        dropping.report(batch, request.tenant, request.dropped)
        labels = {"signal": request.signal, "tenant": request.tenant}
        accepted = len(batch.rows) + len(request.dropped)
        self._counters.add("observastack_ingest_items_total", accepted, outcome="accepted", **labels)
        if batch.rejected_items:
            self._counters.add("observastack_ingest_items_total", batch.rejected_items, outcome="rejected", **labels)
        self._answer(request, Answer(200, batch.rejected_items, batch.message()))

    def _refuse(self, request: Request, reason: RowsRefused) -> None:
        log("request.refused", signal=request.signal, tenant=request.tenant, reason=str(reason))
        self._answer(
            request, Answer(400, code="invalid_request", message="the store cannot represent the request's data")
        )

    def _unavailable(self, requests: list[Request], error: Unavailable) -> None:
        self._unavailable_requests += len(requests)
        if (now := time.monotonic()) - self._unavailable_logged >= 1:  # an outage under load is not thousands of lines
            log("store.unavailable", error=str(error), requests=self._unavailable_requests)
            self._unavailable_logged, self._unavailable_requests = now, 0
        message = (
            "the store is not available; retry with the same Idempotency-Key"
            if error.unknown
            else "the store is not available"
        )
        for request in requests:
            self._answer(request, Answer(503, code="unavailable", message=message))

    def _answer(self, request: Request, answer: Answer) -> None:
        """The first answer counts."""
        if request.answered:
            return
        request.answered = True
        self._counters.add("observastack_ingest_requests_total", signal=request.signal, status=str(answer.status))
        request.answer(answer)
