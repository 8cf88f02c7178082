"""A bare connection understands whatever a sink may answer, in whatever pieces, and never takes half an answer for a whole."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from runners.lib.errors import UsageError
from runners.wire.connection import Connection, Reply
from runners.wire.parcel import Answer


@contextmanager
def answering(*answers: list[bytes], close: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one connection after the other; each request gets the next answer, piece by piece."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []
    waiting = list(answers)

    def serve() -> None:
        while waiting:
            peer, _ = listener.accept()
            with peer, peer.makefile("rb") as file:
                while waiting:
                    head = b""
                    while (line := file.readline()) not in (b"\r\n", b""):
                        head += line
                    if not head:
                        break
                    size = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
                    seen.append(head + b"\r\n" + file.read(size))
                    for piece in waiting.pop(0):
                        peer.sendall(piece)
                    if close:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/base", seen
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"], 200, b"abc"),
        ([b"HTTP/1.1 200 OK\r\nConte", b"nt-Length: 3\r\n", b"\r\na", b"bc"], 200, b"abc"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n"], 503, b""),
        (
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r",
                b"\n1\r\nc\r\n0\r\nTrailer: 1\r\n\r\n",
            ],
            200,
            b"abc",
        ),
    ],
)
def test_answers_are_read_whole_and_the_connection_is_kept(answer: list[bytes], status: int, content: bytes) -> None:
    with answering(answer, answer) as (url, seen):
        connection = Connection(url, 5)
        for body in (b"first", memoryview(b"second")):
            reply = connection.post("/v1/logs", body, {"Idempotency-Key": "k"})
            assert isinstance(reply, Reply)
            assert (reply.status, reply.content) == (status, content)
        connection.close()
    assert seen[0].startswith(b"POST /base/v1/logs HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Idempotency-Key: k\r\n" in seen[0] and seen[0].endswith(b"\r\n\r\nfirst")
    assert seen[1].endswith(b"second")


def test_an_answer_may_end_with_the_connection_and_the_next_post_opens_another() -> None:
    answer = [b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n\r\nnot now"]
    with answering(answer, answer, close=True) as (url, _):
        connection = Connection(url, 5)
        for _ in range(2):
            reply = connection.post("/", b"x", {})
            assert isinstance(reply, Reply)
            assert (reply.status, reply.content, reply.retry_after_s) == (429, b"not now", 7.0)


@pytest.mark.parametrize(
    "answer",
    [
        [b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"fff0\r\n" + b"x" * 0xFFF0 + b"\r\n"] * 17],
        [b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n"],
    ],
)
def test_half_an_answer_is_none(answer: list[bytes]) -> None:
    good = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    with answering(answer, good, close=True) as (url, _):
        connection = Connection(url, 5)
        failed = connection.post("/", b"x", {})
        assert isinstance(failed, Answer) and failed.status == 0 and failed.error
        reply = connection.post("/", b"x", {})
        assert isinstance(reply, Reply) and reply.ok


def test_no_answer_in_time_is_none() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        failed = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.2).post("/", b"x", {})
    assert isinstance(failed, Answer) and failed.status == 0


def test_an_answer_that_comes_too_late_is_not_that_of_the_next_request() -> None:
    """It comes when the next request has been sent: before that there was nothing to be read."""
    ok, away = (f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode() for status in ("200 OK", "503 Away"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            first, _ = listener.accept()
            with first, suppress(OSError):
                first.recv(4096)
                if first.recv(4096):
                    first.sendall(ok)
                    return
            second, _ = listener.accept()
            with second:
                second.recv(4096)
                second.sendall(away)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connection = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.3)
        assert [connection.post("/", body, {}).status for body in (b"first", b"second")] == [0, 503]
        connection.close()
        thread.join(5)


def test_a_request_that_is_taken_in_drops_is_given_up_when_its_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as closing:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        over = threading.Event()

        def drink() -> None:
            peer, _ = listener.accept()
            with peer:
                while not over.wait(0.05) and peer.recv(2048):
                    pass

        thread = threading.Thread(target=drink, daemon=True)
        thread.start()
        closing.callback(thread.join, 5)
        closing.callback(over.set)
        began = time.monotonic()
        answer = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.5).post("/x", bytes(64 << 20), {})
        assert isinstance(answer, Answer)
        assert answer.status == 0
        assert answer.error.startswith("TimeoutError")
        assert 0.5 <= time.monotonic() - began < 4


def test_an_answer_in_drops_is_none_when_its_time_is_over() -> None:
    """Each drop comes in time, the whole does not: a sender must not wait for it without end."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                while not stop.wait(0.02):
                    peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        failed: list[Reply | Answer] = []
        post = threading.Thread(
            target=lambda: failed.append(
                Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.2).post("/", b"x", {})
            ),
            daemon=True,
        )
        post.start()
        post.join(5)
        in_time = not post.is_alive()
        stop.set()
        thread.join()
    assert in_time
    assert [isinstance(one, Answer) and one.status for one in failed] == [0]


@pytest.mark.parametrize("stray", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"more than was announced"])
def test_what_nobody_asked_for_is_not_the_answer_to_the_next_request(stray: bytes) -> None:
    good, away = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"
    with answering([good + stray], [away], close=True) as (url, seen):
        connection = Connection(url, 5)
        statuses = [one.status for one in (connection.post("/", b"1", {}), connection.post("/", b"2", {}))]
    assert statuses == [200, 503]
    assert len(seen) == 2


def test_a_connection_that_was_closed_while_it_was_idle_is_opened_anew() -> None:
    good = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    with answering(good, good, close=True) as (url, _):
        connection = Connection(url, 5)
        assert connection.post("/", b"1", {}).status == 200
        opened = connection._socket
        assert opened is not None
        select.select([opened], [], [], 5)  # the end has come
        assert connection.post("/", b"2", {}).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://", "ftp://a", "http://a:99999", "http://a:b", "http://a:0", "http://[::1", "http://user:secret@a",
        "http://a/?x=1", "http://a/#x", "http://a/b c", "http://ä",
    ],
)  # fmt: skip
def test_a_url_that_says_what_would_not_be_sent_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Connection(url, 1)
    assert "secret" not in str(caught.value)


def test_a_body_larger_than_any_buffer_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000
    with answering([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]) as (url, seen):
        reply = Connection(url, 20).post("/", memoryview(body), {})
        assert isinstance(reply, Reply)
    assert seen[0].endswith(b"\r\n\r\n" + body)


@contextmanager
def unwilling(answer: bytes, *, times: int = 1) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers when it has read the head, and closes with most of the body unread: the kernel then resets."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(times):
                peer, _ = listener.accept()
                with peer:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += peer.recv(64)
                    heads.append(head)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        thread.join(5)


LARGE = bytes(64 << 20)  # more than the kernels of both sides hold


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        (b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch", 413, b"much"),
        (b"HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmuch\r\n0\r\n\r\n", 413, b"much"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", 400, b""),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 429, b""),
        (b"HTTP/1.1 503 Away\r\nContent-Length: 4\r\n\r\naway", 503, b"away"),
    ],
)
def test_a_refusal_before_the_body_was_read_is_the_answer(answer: bytes, status: int, content: bytes) -> None:
    with unwilling(answer, times=2) as (url, heads):
        connection = Connection(url, 20)
        for _ in range(2):  # each on a connection of its own
            reply = connection.post("/", memoryview(LARGE), {})
            assert isinstance(reply, Reply), reply.error
            assert (reply.status, reply.content) == (status, content)
            assert reply.retry_after_s == (7 if status == 429 else None)
    assert len(heads) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 413 Too La",
        b"HTTP/1.1 413 Too Large\r\n\r\n",
        b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\nmuch",
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nmuch",
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\nmuch",
        b"HTTP/1.1 413 Too Large\r\nContent-Length: -4\r\n\r\nmuch",
        b"HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmuch\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_any_other_word_before_the_body_was_read_leaves_the_outcome_unknown(answer: bytes) -> None:
    with unwilling(answer) as (url, heads):
        failed = Connection(url, 20).post("/", memoryview(LARGE), {})
        assert isinstance(failed, Answer) and failed.status == 0 and failed.error
    assert len(heads) == 1


def test_a_header_of_two_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="one line"):
        Connection("http://127.0.0.1:1", 1).post("/", b"", {"A": "b\r\nC: d"})
