"""The browser of the journeys: what is kept of a failure, and what is left of it when its runner is killed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runners.e2e.browser.scratch import PREFIX, sweep
from runners.e2e.browser.stage import program, stage

pytest.importorskip("playwright")
pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium is on this machine")

PASSWORD = "the-password-as-typed"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
REFRESH = "opaque-refresh-token"
PAGE = """<form id="f"><input id="p" type="password"></form><p id="said"></p><script>
f.onsubmit = async (event) => { event.preventDefault()
  const login = await (await fetch("/login", {method: "POST", body: JSON.stringify({password: p.value})})).json()
  await fetch("/me", {headers: {Authorization: `Bearer ${login.access_token}`}})
  said.textContent = "in" }</script>"""


class Pages(BaseHTTPRequestHandler):
    """A sign-in as pages do it: the password in a body, tokens in the answer, one of them in a header."""

    def do_GET(self) -> None:
        self._say(PAGE.encode(), "text/html")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(json.dumps({"access_token": TOKEN, "refresh_token": REFRESH}).encode(), "application/json")

    def _say(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Set-Cookie", "sid=opaque-cookie")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def target() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        user = SimpleNamespace(password=PASSWORD, token="")
        yield SimpleNamespace(
            name="pages", urls={"ui": f"http://127.0.0.1:{server.server_port}"},
            profile=SimpleNamespace(frontend="pages"), identities=SimpleNamespace(users=[user]),
        )  # fmt: skip
        server.shutdown()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short path: a browser's socket lies below it."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_failure_is_kept_as_picture_and_trace_without_password_and_tokens(
    target: Any, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    with stage(target) as opened, opened.page() as page:
        page.goto("/")
        page.locator("#p").fill(PASSWORD)
        page.locator("#p").press("Enter")
        page.locator("#said").filter(has_text="in").wait_for()
        kept = {kind: path for path, kind in opened.keep(page, "sign-in", artifacts)}
        assert [folder.name[:16] for folder in temporary.iterdir()] == [PREFIX]
    assert not list(temporary.iterdir())
    assert kept.keys() == {"screenshot", "browser_trace"}
    assert sorted(artifacts.iterdir()) == sorted(kept.values())
    with zipfile.ZipFile(kept["browser_trace"]) as trace:
        parts = {name: trace.read(name) for name in trace.namelist()}
    assert b"/login" in parts["trace.network"]
    for name, content in parts.items():
        for secret in (PASSWORD, TOKEN, REFRESH, "opaque-cookie"):
            assert secret.encode() not in content, f"{secret} in {name}"


def test_a_browser_that_dies_is_known_to_be_dead(target: Any) -> None:
    with stage(target) as opened, opened.page() as page:
        page.goto("/")
        assert opened.alive
        mine = [
            pid for pid in _marked("PATH") if _parent_chain(pid, os.getpid()) and b"--headless" in _read(pid, "cmdline")
        ]
        for pid in mine:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(Exception, match=r"clos|crash"):
            page.goto("/")
        assert not opened.alive


RUNNER = """
import sys, time
from types import SimpleNamespace as N
from runners.e2e.browser.stage import stage
target = N(name="t", urls={"ui": sys.argv[1]}, profile=N(frontend="pages"), identities=N(users=[]))
with stage(target) as opened, opened.page() as page:
    page.goto("/")
    print("open", flush=True)
    time.sleep(60)
"""


def test_kill_9_of_the_runner_leaves_no_browser_and_its_files_go_with_the_next(target: Any, temporary: Path) -> None:
    mark = f"browser-{secrets.token_hex(6)}"
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, target.urls["ui"]],
        stdout=subprocess.PIPE, env=os.environ | {"TESTBED_RUN_ID": mark, "TMPDIR": str(temporary)}, start_new_session=True,
    )  # fmt: skip
    assert runner.stdout is not None and runner.stdout.readline() == b"open\n"
    assert len(_marked(mark)) > 3
    runner.kill()
    runner.wait()
    deadline = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    names = {pid: _read(pid, "cmdline")[:80] for pid in left}
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not names
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 1
    sweep(temporary)
    assert not list(temporary.iterdir())


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _marked(word: str) -> list[int]:
    """Processes whose environment has the word."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if word.encode() in _read(pid, "environ")]


def _parent_chain(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        stat = _read(pid, "stat").rpartition(b")")[2].split()
        if not stat:
            return False
        pid = int(stat[1])
    return False
