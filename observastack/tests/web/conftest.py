"""A web server process with a small site, before a backend that tells what it was sent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from observastack.tests.backend.serving import until
from observastack.tests.platform import write_config
from tests.servers import free_port

SCRIPT = "console.log('hello');\n" * 100


@dataclass
class Served:
    """client: without decoding surprises, on the server's own origin."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    port: int
    root: Path
    log: Path


def build_site(root: Path) -> Path:
    """What a bundler leaves: index.html, hashed assets, one of them compressed already."""
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>ObservaStack</title><div id=root></div>")
    (root / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "assets" / "index-Ab3dEf9h.js").write_text(SCRIPT)
    (root / "assets" / "style-Zz0yXx1w.css").write_text("body { color: #111 }\n" * 100)
    (root / "assets" / "style-Zz0yXx1w.css.br").write_bytes(b"as the bundler made it")
    return root


@contextlib.contextmanager
def process(*arguments: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        started = subprocess.Popen(
            [sys.executable, *arguments], stdout=stream, stderr=stream, env=os.environ | environment
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextlib.contextmanager
def web(folder: Path, *, defects: str = "", backend: int | None = None, **changes: Any) -> Iterator[Served]:
    """Starts the web server and, unless told where one is, its backend."""
    folder.mkdir(exist_ok=True)
    root, port = build_site(folder / "dist"), free_port()
    inside = backend or free_port()
    file = write_config(
        folder, "postgresql://postgres@127.0.0.1:1/postgres", backend={"host": "127.0.0.1", "port": inside},
        web={"host": "127.0.0.1", "port": port, "root": str(root)}, **changes,
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        if backend is None:
            program = Path(__file__).with_name("upstream.py")
            stack.enter_context(process(str(program), str(inside), log=folder / "upstream.log"))
        log = folder / "web.log"
        started = stack.enter_context(
            process("-m", "observastack.web", "--config", str(file), log=log, OBSERVASTACK_DEFECTS=defects)
        )
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10))
        until(lambda: _answers(client, started, log, whole=backend is None), "the web server answers")
        yield Served(started, client, port, root, log)


def _answers(client: httpx.Client, started: subprocess.Popen[bytes], log: Path, *, whole: bool) -> bool:
    assert started.poll() is None, log.read_text()
    with contextlib.suppress(httpx.TransportError):
        return client.get("/health/ready" if whole else "/health/live").status_code == 200
    return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def echo(served: Served) -> Callable[..., dict[str, Any]]:
    """What the backend saw of a request."""

    def ask(path: str = "/api/v1/echo", method: str = "GET", **arguments: Any) -> dict[str, Any]:
        answer = served.client.request(method, path, **arguments)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return ask
