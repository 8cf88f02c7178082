"""The promise: what was acknowledged is stored exactly once, whatever is killed; what is not stored is not acknowledged."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from observastack.config import Config
from observastack.store.rows import DAY_NS
from observastack.tests.gateway import Gateway, Reader, logs, running_gateway, spans, wait_for
from observastack.tests.platform import Tokens, build_platform
from observastack.tests.postgres import Postgres, own_postgres


@contextlib.contextmanager
def locked(config: Config, table: str) -> Iterator[None]:
    """Nobody can write to the table meanwhile."""
    with psycopg.connect(**config.database.connection("owner")) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def waiting(gateway: Gateway) -> float:
    text = httpx.get(f"{gateway.url}/metrics").text
    return float(text.split("\nobservastack_ingest_queue_requests ")[1].split()[0])


# Neighbours and back-pressure -----------------------------------------------------------------------------------------


def test_one_refused_request_does_not_fail_its_neighbours(
    gateway: Gateway, tokens: Tokens, reader: Reader, platform_config: Config
) -> None:
    assert gateway.post("logs", logs(["good"]), tokens()).status_code == 200
    with psycopg.connect(**platform_config.database.connection("owner")) as connection:
        connection.execute("ALTER TABLE logs ADD CONSTRAINT no_poison CHECK (body <> 'poison')")
    statuses: dict[str, list[int]] = {"poison": [], "good": []}
    token = tokens()

    def send(body: str) -> None:
        statuses[body].append(gateway.post("logs", logs([body] * 5), token).status_code)

    with locked(platform_config, "logs"):  # so that they all wait and are then written in groups
        senders = [
            threading.Thread(target=send, args=("poison" if number % 4 == 0 else "good",)) for number in range(40)
        ]
        for sender in senders:
            sender.start()
        # Two writers may hold a group of eight each; the others are queued.
        wait_for(lambda: waiting(gateway) >= 24, "all but two groups wait")
    for sender in senders:
        sender.join()
    assert statuses == {"poison": [400] * 10, "good": [200] * 30}
    assert reader.count("acme", "logs") == 151


def test_a_dropped_partition_is_made_again(
    gateway: Gateway, tokens: Tokens, reader: Reader, platform_config: Config
) -> None:
    assert gateway.post("logs", logs(["before"]), tokens()).status_code == 200
    with psycopg.connect(**platform_config.database.connection("owner")) as connection:
        connection.execute(f"DROP TABLE logs_p{time.time_ns() // DAY_NS}".encode())
    assert gateway.post("logs", logs(["after"]), tokens()).status_code == 200
    assert reader.rows("acme", "SELECT body FROM logs") == [("after",)]


def test_a_full_queue_is_429_and_what_was_taken_is_stored(tmp_path: Path, postgres: str) -> None:
    config = build_platform(tmp_path, postgres, ingest={"writers": 1, "group": 1, "queue_requests": 2})
    statuses: list[int] = []
    token = Tokens(config)()
    with running_gateway(config, tmp_path) as gateway:

        def send() -> None:
            statuses.append(gateway.post("logs", logs(["x"]), token).status_code)

        assert gateway.post("logs", logs(["x"]), token).status_code == 200
        senders = [threading.Thread(target=send) for _ in range(3)]
        with locked(config, "logs"):
            for number, sender in enumerate(senders):  # the writer holds one, the queue two
                sender.start()
                wait_for(lambda number=number: waiting(gateway) >= number, f"{number} wait")  # type: ignore[misc]
            refused = gateway.post("logs", logs(["x"]), token)
        for sender in senders:
            sender.join()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert statuses == [200, 200, 200]
    assert Reader(config).count("acme", "logs") == 4


def test_a_queue_full_of_bytes_is_429(tmp_path: Path, postgres: str) -> None:
    config = build_platform(tmp_path, postgres, ingest={"writers": 1, "group": 1, "queue_bytes": 1000})
    token = Tokens(config)()
    with running_gateway(config, tmp_path) as gateway:
        assert gateway.post("logs", logs(["x" * 5000]), token).status_code == 200
        with locked(config, "logs"):
            senders = [threading.Thread(target=gateway.post, args=("logs", logs(["y" * 900]), token)) for _ in range(2)]
            for number, sender in enumerate(senders):
                sender.start()
                wait_for(lambda number=number: waiting(gateway) >= number, f"{number} wait")  # type: ignore[misc]
            assert gateway.post("logs", logs(["z" * 900]), token).status_code == 429
        for sender in senders:
            sender.join()
    assert Reader(config).count("acme", "logs") == 3


# Kills ----------------------------------------------------------------------------------------------------------------


class Load:
    """Senders that repeat each batch with its key until it is acknowledged, as a good client does."""

    def __init__(self, gateway: Gateway, token: str, senders: int = 4, records: int = 48) -> None:
        self._gateway, self._token, self._records = gateway, token, records
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.unfinished: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._run) for _ in range(senders)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def advance(self, batches: int) -> None:
        """Wait until so many more are acknowledged."""
        target = len(self.acknowledged) + batches
        wait_for(lambda: len(self.acknowledged) >= target, "acknowledged batches", 60)

    def _run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._stop.is_set():
                self._deliver(client, uuid.uuid4().hex)

    def _deliver(self, client: httpx.Client, name: str) -> None:
        body = logs([f"{name}-{number}" for number in range(self._records)])
        headers = {
            "authorization": f"Bearer {self._token}",
            "content-type": "application/x-protobuf",
            "idempotency-key": name,
        }
        while True:
            status = 0
            with contextlib.suppress(httpx.TransportError):
                status = client.post(f"{self._gateway.url}/v1/logs", content=body, headers=headers).status_code
            with self._lock:
                self.statuses[status] += 1
                if status == 200:
                    self.acknowledged.add(name)
                    return
                if self._stop.is_set():
                    self.unfinished.add(name)
                    return
            time.sleep(0.01)

    def check(self, reader: Reader, tenant: str = "acme") -> None:
        """Every acknowledged record exactly once; of unfinished batches all or nothing, once."""
        stored = Counter(str(body) for (body,) in reader.rows(tenant, "SELECT body FROM logs"))
        assert set(stored.values()) == {1}, "duplicated"
        batches = Counter(body.rsplit("-", 1)[0] for body in stored)
        assert set(batches.values()) == {self._records}, "a batch is stored in part"
        assert self.acknowledged <= set(batches), "acknowledged and lost"
        assert set(batches) <= self.acknowledged | self.unfinished


def test_kill_9_of_the_gateway_loses_and_doubles_nothing(gateway: Gateway, tokens: Tokens, reader: Reader) -> None:
    moments = random.Random(7)
    with Load(gateway, tokens(exp=int(time.time()) + 3600)) as load:
        for _ in range(10):
            load.advance(5)
            threading.Event().wait(moments.uniform(0, 0.1))  # a random moment of the next writes
            gateway.kill()
            gateway.start()
        load.advance(5)
    print(f"{len(load.acknowledged)} batches acknowledged, answers {dict(load.statuses)}")
    load.check(reader)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Postgres, Config]]:
    try:
        with own_postgres() as server:
            yield server, build_platform(tmp_path, server.url)
    except FileNotFoundError as reason:
        pytest.skip(str(reason))


def test_the_gateway_outlives_its_database(own: tuple[Postgres, Config], tmp_path: Path) -> None:
    server, config = own
    token = Tokens(config)(exp=int(time.time()) + 3600)
    with running_gateway(config, tmp_path) as gateway, Load(gateway, token) as load:
        for _ in range(3):
            load.advance(10)
            server.crash()
            started = time.monotonic()
            wait_for(lambda: gateway.health() == 503, "not ready")
            assert time.monotonic() - started < 2
            refused = gateway.post("logs", logs(["never"]), token)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            server.start()
            server.wait()
            wait_for(lambda: gateway.health() == 200, "ready again", 5)
        load.advance(10)
    assert load.statuses[503] > 0
    load.check(Reader(config))


def test_readiness_does_not_hang_with_its_database(own: tuple[Postgres, Config], tmp_path: Path) -> None:
    server, config = own
    with running_gateway(config, tmp_path) as gateway:
        server.pause()
        try:
            started = time.monotonic()
            assert gateway.health(timeout_s=5) == 503
            assert time.monotonic() - started < 3
            assert httpx.get(f"{gateway.url}/health/live", timeout=2).status_code == 200
        finally:
            server.resume()
        wait_for(lambda: gateway.health() == 200, "ready again", 5)
        assert gateway.post("logs", logs(["x"]), Tokens(config)()).status_code == 200


def test_the_gateway_starts_without_its_database(own: tuple[Postgres, Config], tmp_path: Path) -> None:
    server, config = own
    server.crash()
    gateway = Gateway(config, tmp_path / "ingest.log").start()
    try:
        wait_for(lambda: gateway.health() == 503, "not ready")
        assert gateway.post("logs", logs(["x"]), Tokens(config)()).status_code == 503
        server.start()
        server.wait()
        assert gateway.ready().post("traces", spans(3)[0], Tokens(config)()).status_code == 200
    finally:
        gateway.kill()
    assert Reader(config).count("acme", "spans") == 3
