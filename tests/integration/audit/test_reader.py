"""Reading back over HTTP: complete or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runners.audit import reader as reading
from runners.audit.reader import ExportReader, Unreadable
from runners.lib.home import Home
from runners.target import open_target
from tests.integration.datagen.platform import environment

ITEMS = [{"time_unix_nano": str(n), "content": {"body": "x" * (n % 50)}} for n in range(2000)]
LINES = b"".join(json.dumps(item).encode() + b"\n" for item in ITEMS)


def end(count: int, *, partial: bool = False) -> bytes:
    return json.dumps({"end": True, "count": count, "partial": partial}).encode() + b"\n"


Answer = Callable[[int], tuple[int, bytes]]


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Callable[[Answer], ExportReader]]:
    """export(answer): a reader of a server that answers request n with (status, body); a body of None hangs up."""
    running: list[Any] = []

    def start(answer: Answer) -> ExportReader:
        asked: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                return

            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(query | {"token": self.headers["Authorization"]})
                status, body = answer(len(asked) - 1)
                if status == 0:
                    # Announce more than is sent, then go away: what a dying server does.
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body) + 1000))
                    self.end_headers()
                    self.wfile.write(body)
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        environment(tmp_path, f"http://127.0.0.1:{server.server_address[1]}")
        target = open_target(Home(tmp_path).env("local"))
        reader = ExportReader(target)
        reader.asked = asked  # type: ignore[attr-defined]
        running.append((server, thread, target, reader))
        return reader

    yield start
    for server, thread, target, reader in running:
        reader.close()
        target.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_all_items_come_as_the_right_tenant(export: Callable[[Answer], ExportReader]) -> None:
    reader = export(lambda _n: (200, LINES + end(len(ITEMS))))
    assert list(reader.read("globex", "logs", 5, 9)) == ITEMS
    assert reader.asked == [{"type": "logs", "from": "5", "to": "9", "token": "Bearer globex:analyst"}]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, LINES, "last line is missing"),
        (200, b"", "last line is missing"),
        (200, LINES + end(len(ITEMS) + 1), "not complete"),
        (200, LINES + end(len(ITEMS), partial=True), "not complete"),
        (200, b'{"a":1}\nno json\n', "not JSON"),
        (200, b"[1]\n", "no object"),
        (0, LINES, "broke off"),
        (403, b"no", "answered 403"),
        (422, b"what?", "answered 422"),
    ],
)
def test_what_is_not_complete_is_an_error(
    export: Callable[[Answer], ExportReader], status: int, body: bytes, message: str
) -> None:
    with pytest.raises(Unreadable, match=message) as caught:
        list(export(lambda _n: (status, body)).read("acme", "traces", 0, 9))
    assert caught.value.exit_code == 2


def test_a_backend_that_is_busy_or_restarting_is_asked_again(export: Callable[[Answer], ExportReader]) -> None:
    script = {0: (503, b"starting"), 1: (429, b"busy"), 2: (401, b"expired")}
    reader = export(lambda n: script.get(n, (200, LINES + end(len(ITEMS)))))
    assert len(list(reader.read("acme", "metrics", 0, 9))) == len(ITEMS)
    assert len(reader.asked) == 4  # type: ignore[attr-defined]


def test_a_backend_that_stays_away_is_an_error(
    export: Callable[[Answer], ExportReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PATIENCE_S", 0.4)
    with pytest.raises(Unreadable, match="answered 503"):
        list(export(lambda _n: (503, b"down")).read("acme", "logs", 0, 9))


def test_a_target_without_an_export_cannot_be_audited(tmp_path: Path) -> None:
    environment(tmp_path, "http://127.0.0.1:1")
    path = tmp_path / "env" / "local" / "target.yml"
    whole = path.read_text()
    path.write_text(whole[: whole.index("operations:")] + "operations: {}\nrequired: []\n")
    with (
        open_target(Home(tmp_path).env("local")) as target,
        pytest.raises(Unreadable, match=r"no capability search\.export"),
    ):
        ExportReader(target)
