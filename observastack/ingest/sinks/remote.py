"""What the sinks of real stores have in common: they number nothing, and tell a client to wait when their store says so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from observastack.ingest.otlp import Batch
from observastack.ingest.request import Answer, Request, accepted


class Busy(Exception):
    """The store's limit of rate or size is reached; seconds: its wish when to come back."""

    def __init__(self, seconds: int = 1) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class RemoteSink(ABC):
    """See sinks.port.Sink. One request at a time; keeps: what the store is for, as its clients know it."""

    group = 1
    keeps: ClassVar[str]

    def first_id(self) -> int:
        return 0

    def used(self, count: int) -> None:  # noqa: B027 - not abstract: a real store numbers nothing
        """Nothing to note."""

    def store(self, requests: Sequence[Request]) -> Sequence[Answer]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Answer:
        batch = request.batch
        assert batch is not None
        try:
            self._put(request, batch)
        except Busy as busy:
            message = f"the {self.keeps} store takes no more"
            return Answer(429, code="too_many_requests", message=message, retry_after_s=busy.seconds)
        return accepted(batch)

    @abstractmethod
    def _put(self, request: Request, batch: Batch) -> None:
        """Into the store, all that the batch does not refuse. Raises Busy, Unavailable."""
