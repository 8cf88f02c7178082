"""How a service is asked, and what counts as an answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runners.faults.health import check, describe
from tests.servers import free_port, redis_server


@pytest.mark.parametrize(
    ("health", "service", "expected"),
    [
        (
            {"kind": "http", "path": "/health/ready"},
            {"url": "http://127.0.0.1:4318", "port": 4318},
            {"type": "http", "url": "http://127.0.0.1:4318/health/ready"},
        ),
        ({"type": "http", "url": "http://h:1/x"}, {}, {"type": "http", "url": "http://h:1/x"}),
        (
            {"kind": "postgres", "user": "postgres", "password": "postgres_password"},
            {"name": "postgres", "port": 5432, "url": "postgresql://127.0.0.1:5432"},
            {"type": "postgres", "host": "127.0.0.1", "port": 5432},
        ),
        ({}, {"name": "redis", "port": 6379}, {"type": "redis", "host": "127.0.0.1", "port": 6379}),
        ({}, {"name": "other", "port": 7}, {"type": "tcp", "host": "127.0.0.1", "port": 7}),
    ],
)
def test_a_check_is_read_from_the_state(health: dict, service: dict, expected: dict) -> None:
    assert describe(health, service) == expected


def test_no_way_to_ask_is_said() -> None:
    with pytest.raises(ValueError, match="neither a health check nor a port"):
        describe({}, {"name": "x"})


def test_nobody_there_is_no_answer() -> None:
    found = check({"type": "http", "url": f"http://127.0.0.1:{free_port()}/"}, 0.5)
    assert (found.answered, found.healthy) == (False, False)


@contextmanager
def speaker(reply: bytes | None) -> Iterator[int]:
    """Accepts one connection, reads, says `reply`; None: accepts and stays silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            connection, _ = server.accept()
            held.append(connection)
            connection.recv(4096)
            if reply is not None:
                connection.sendall(reply)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("kind", "reply", "answered", "healthy"),
    [
        ("http", b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n", True, False),
        ("http", b"HTTP/1.1 200 ok\r\nContent-Length: 0\r\n\r\n", True, True),
        ("http", None, False, False),
        ("postgres", b"N", True, True),
        ("postgres", b"", False, False),
        ("redis", b"-NOAUTH Authentication required.\r\n", True, True),
        ("redis", b"-LOADING dataset\r\n", True, False),
        ("redis", None, False, False),
    ],
)
def test_what_counts(kind: str, reply: bytes | None, answered: bool, healthy: bool) -> None:
    with speaker(reply) as port:
        health = {"type": kind, "host": "127.0.0.1", "port": port, "url": f"http://127.0.0.1:{port}/"}
        found = check(health, 0.3)
    assert (found.answered, found.healthy) == (answered, healthy)


def test_a_real_redis_answers() -> None:
    try:
        with redis_server() as url:
            assert check({"type": "redis", "host": "127.0.0.1", "port": int(url.split(":")[2].split("/")[0])}).healthy
    except FileNotFoundError as absent:
        pytest.skip(str(absent))
