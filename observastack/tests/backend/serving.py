"""A backend process for tests, and items written into its store the way the gateway writes them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from observastack.config import Config
from observastack.store.rows import ResourceRow, SeriesRow, log_row, sample_row, span_row, text_field
from observastack.store.write import SignalWriter, Write
from observastack.tests.platform import PASSWORD

PREFIX = "/api/v1"
SECOND = 10**9


@dataclass
class Backend:
    """One process, and a client that knows the passwords."""

    config: Config
    process: subprocess.Popen[bytes]
    log: Path
    client: httpx.Client
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _passwords: dict[str, str] = field(default_factory=dict)

    def login(self, username: str, password: str = PASSWORD) -> httpx.Response:
        return self.client.post(f"{PREFIX}/auth/login", json={"username": username, "password": password})

    def forget_tokens(self) -> None:
        self._tokens.clear()

    def token(self, username: str) -> str:
        """A token that is good for a while yet: on a busy machine a module's tests outlive the first one."""
        token, until_s = self._tokens.get(username, ("", 0.0))
        if time.monotonic() > until_s:
            answer = self.login(username, self._passwords.get(username, PASSWORD))
            assert answer.status_code == 200, answer.text
            token = str(answer.json()["access_token"])
            self._tokens[username] = (token, time.monotonic() + answer.json()["expires_in"] / 2)
        return token

    def knows(self, username: str, password: str) -> None:
        """A user with a password of their own, who signs in at once: what happens to them later is another matter."""
        self._passwords[username] = password
        self._tokens.pop(username, None)
        self.token(username)

    def call(self, username: str | None, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {} if username is None else {"Authorization": f"Bearer {self.token(username)}"}
        return self.client.request(method, f"{PREFIX}{path}", headers=headers, **arguments)

    def post(self, username: str | None, path: str, body: Any) -> httpx.Response:
        return self.call(username, "POST", path, json=body)

    def get(self, username: str | None, path: str) -> httpx.Response:
        return self.call(username, "GET", path)

    def export(self, username: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """All lines, the closing one included."""
        answer = self.post(username, "/search/export", body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@contextlib.contextmanager
def backend(config: Config, folder: Path, *, defects: str = "") -> Iterator[Backend]:
    """Starts it, waits until it answers, stops it with SIGTERM."""
    log = folder / f"backend-{config.backend.port}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "observastack.backend", "--config", str(config.file)],
            stderr=stream, stdout=stream, env={**os.environ, "OBSERVASTACK_DEFECTS": defects},
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{config.backend.port}", timeout=30) as client:
            running = Backend(config, process, log, client)

            def answers() -> bool:
                assert process.poll() is None, log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    return client.get(f"{PREFIX}/health/live").status_code == 200
                return False

            until(answers, "the backend answers")
            yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], what: str, patience_s: float = 30) -> float:
    """Wait for a condition; seconds waited. Fails with `what` when it does not come true."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < patience_s, f"not within {patience_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


class Store:
    """Writes items of a tenant. Times in ns; an item is a dict with the keys of the search item's content."""

    def __init__(self, config: Config) -> None:
        self._writer = SignalWriter(config.database.connection("ingest"))
        self._config = config

    def close(self) -> None:
        self._writer.close()

    def number(self, tenant: str) -> int:
        known = self._writer.tenant(tenant)
        number = None if known is None else known.number
        assert number is not None
        return number

    def logs(self, tenant: str, items: list[dict[str, Any]], service: str = "shop", **resource: Any) -> None:
        row, first = self._resource(tenant, service, resource), self._writer.item_ids(len(items))
        rows = [
            log_row(
                ts=one["ts"], item=first + place, resource=row.resource_id, severity=one.get("severity", 9),
                span_id=bytes.fromhex(one.get("span_id", "")), trace_id=bytes.fromhex(one.get("trace_id", "")),
                service=row.service_field, severity_text=text_field(one.get("severity_text", "INFO")),
                body=text_field(one.get("body", "")), attrs=json.dumps(one.get("attributes", {})).encode(),
            )
            for place, one in enumerate(items)
        ]  # fmt: skip
        self._write(Write(self.number(tenant), "logs", rows, {row.resource_id: row}))

    def spans(self, tenant: str, items: list[dict[str, Any]], service: str = "shop", **resource: Any) -> None:
        row, first = self._resource(tenant, service, resource), self._writer.item_ids(len(items))
        rows = [
            span_row(
                ts=one["ts"], item=first + place, resource=row.resource_id, duration=one.get("duration", SECOND),
                span_id=bytes.fromhex(one["span_id"]), parent_id=bytes.fromhex(one.get("parent_id", "")),
                trace_id=bytes.fromhex(one["trace_id"]), kind=one.get("kind", 2), status=one.get("status", 0),
                service=row.service_field, name=text_field(one.get("name", "GET /")), status_message=text_field(""),
                attrs=json.dumps(one.get("attributes", {})).encode(), events=None, links=None,
            )
            for place, one in enumerate(items)
        ]  # fmt: skip
        self._write(Write(self.number(tenant), "traces", rows, {row.resource_id: row}))

    def samples(
        self, tenant: str, name: str, points: list[tuple[int, float]], service: str = "shop", *,
        labels: dict[str, Any] | None = None, counter: bool = False, **resource: Any,
    ) -> None:  # fmt: skip
        row, first = self._resource(tenant, service, resource), self._writer.item_ids(len(points))
        text = json.dumps(labels or {}, sort_keys=True).encode()
        key = _hashed(str(self.number(tenant)), str(row.resource_id), name, text.decode())
        series = SeriesRow(
            key, row.resource_id, name, 2 if counter else 1, counter, 2 if counter else 0, "1", "", service, text
        )
        rows = [sample_row(ts, first + place, key, value, None) for place, (ts, value) in enumerate(points)]
        self._write(Write(self.number(tenant), "metrics", rows, {row.resource_id: row}, {key: series}))

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """As the superuser: tests look at what no role of the platform may see."""
        with psycopg.connect(**self._config.database.connection("owner"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def _resource(self, tenant: str, service: str, resource: dict[str, Any]) -> ResourceRow:
        attributes = {"service.name": service, **{key.replace("__", "."): value for key, value in resource.items()}}
        text = json.dumps(attributes, sort_keys=True)
        number = _hashed(str(self.number(tenant)), text)
        return ResourceRow(self.number(tenant), number, service, text.encode(), text_field(service))

    def _write(self, write: Write) -> None:
        self._writer.write([write])
        self._writer.used(len(write.rows))


def _hashed(*parts: str) -> int:
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
