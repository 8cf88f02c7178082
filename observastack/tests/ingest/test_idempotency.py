"""Idempotency keys: a retry after a lost answer is not a duplicate."""

from __future__ import annotations

import gzip
import random
import threading
from collections import Counter

import cramjam
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from observastack.config import Config
from observastack.tests.gateway import Gateway, Reader, gauge, logs, point
from observastack.tests.platform import Tokens


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    return shared_gateway


@pytest.fixture
def reader(shared_platform: Config) -> Reader:
    return Reader(shared_platform)


@pytest.fixture
def tokens(shared_platform: Config) -> Tokens:
    return Tokens(shared_platform)


def test_a_repeat_gets_the_first_answer_and_stores_nothing(
    gateway: Gateway, tenant: str, tokens: Tokens, reader: Reader
) -> None:
    body = logs(["now"] * 3) + logs(["too old"], ts=1)  # two requests' bytes merge to one message
    first = gateway.post("logs", body, tokens(tenant), idempotency_key="k-1")
    again = gateway.post("logs", body, tokens(tenant), idempotency_key="k-1")
    zipped = gateway.post("logs", gzip.compress(body), tokens(tenant), idempotency_key="k-1", content_encoding="gzip")

    packed = bytes(cramjam.zstd.compress(body))
    zstd = gateway.post("logs", packed, tokens(tenant), idempotency_key="k-1", content_encoding="zstd")

    assert {answer.status_code for answer in (first, again, zipped, zstd)} == {200}
    assert ExportLogsServiceResponse.FromString(first.content).partial_success.rejected_log_records == 1
    assert first.content == again.content == zipped.content == zstd.content
    assert reader.count(tenant, "logs") == 3


def test_the_same_key_with_another_request_is_422(
    gateway: Gateway, tenant: str, tokens: Tokens, reader: Reader
) -> None:
    assert gateway.post("logs", logs(["one"]), tokens(tenant), idempotency_key="k").status_code == 200
    other_body = gateway.post("logs", logs(["two"]), tokens(tenant), idempotency_key="k")
    other_signal = gateway.post("metrics", gauge("m", [point(1)]), tokens(tenant), idempotency_key="k")
    assert (other_body.status_code, other_signal.status_code) == (422, 422)
    assert other_body.json()["error"]["code"] == "idempotency_conflict"
    assert (reader.count(tenant, "logs"), reader.count(tenant, "samples")) == (1, 0)


def test_keys_belong_to_a_tenant(gateway: Gateway, tenant: str, tokens: Tokens, reader: Reader) -> None:
    assert gateway.post("logs", logs(["one"]), tokens(tenant), idempotency_key="k").status_code == 200
    assert gateway.post("logs", logs(["two"]), tokens("globex"), idempotency_key="k").status_code == 200
    assert (reader.count(tenant, "logs"), reader.count("globex", "logs")) == (1, 1)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_unusable_keys_are_400(gateway: Gateway, tenant: str, tokens: Tokens, key: str) -> None:
    assert gateway.post("logs", logs(["x"]), tokens(tenant), idempotency_key=key).status_code == 400


def test_a_refused_request_does_not_use_up_its_key(gateway: Gateway, tenant: str, tokens: Tokens) -> None:
    assert gateway.post("logs", b"broken", tokens(tenant), idempotency_key="k").status_code == 400
    assert gateway.post("logs", logs(["x"]), tokens(tenant), idempotency_key="k").status_code == 200


def test_simultaneous_senders_of_the_same_keys_store_each_once(
    gateway: Gateway, tenant: str, tokens: Tokens, reader: Reader
) -> None:
    bodies = {f"key-{number}": logs([f"b-{number}"] * 4) for number in range(40)}
    statuses: list[int] = []

    def send(seed: int) -> None:
        order = list(bodies)
        random.Random(seed).shuffle(order)
        with httpx.Client(timeout=60) as client:
            for key in order:
                headers = {
                    "authorization": f"Bearer {token}",
                    "content-type": "application/x-protobuf",
                    "idempotency-key": key,
                }
                statuses.append(client.post(f"{gateway.url}/v1/logs", content=bodies[key], headers=headers).status_code)

    token = tokens(tenant)
    senders = [threading.Thread(target=send, args=(seed,)) for seed in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert Counter(statuses) == {200: 240}
    assert reader.rows(tenant, "SELECT DISTINCT count(*) FROM logs GROUP BY body") == [(4,)]
    assert reader.count(tenant, "logs") == 160
