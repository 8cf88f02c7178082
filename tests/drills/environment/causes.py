"""Every service broken for real, alone and in pairs: the failure report names the cause, and what only waits for it."""

from __future__ import annotations

import http.server
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from runners.config import lookup
from runners.lib.files import read_json
from tests.drills.environment.moments import Share, Watched
from tests.drills.environment.traces import AFTER_FAILURE, Traces
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed

SERVICES = ("postgres", "redis", "backend", "ingest", "web", "prometheus", "alertmanager", "loki", "tempo", "keycloak")
REAL = ("loki", "tempo", "keycloak")  # where TESTBED_BIN_DIR has them
# What is broken together → what must be named as cause; the rest of the pair is blocked by it.
PAIRS = {
    ("postgres", "redis"): {"postgres", "redis"},
    ("redis", "prometheus"): {"redis", "prometheus"},
    ("postgres", "alertmanager"): {"postgres", "alertmanager"},
    ("postgres", "backend"): {"postgres"},
    ("backend", "ingest"): {"backend", "ingest"},
    ("backend", "web"): {"backend"},
}
BROKEN = "broken by the drill"
# A testbed whose playbooks are those of the second argument: the drill breaks a copy, never the checkout.
_OTHER_BOOKS = (
    "import sys; from pathlib import Path; from runners.config import lookup; books = Path(sys.argv.pop(1)); "
    "lookup.playbooks = lambda: books; from runners.cli.main import run; run()"
)


def ends(services: tuple[str, ...], causes: set[str], _: Share, __: random.Random) -> Result:
    """Their programs end right after their start."""
    with _broken(services) as books:
        return _trial(services, causes, [sys.executable, "-c", _OTHER_BOOKS, str(books)], said=BROKEN)


def port_taken(service: str, answers: bool, _: Share, __: random.Random) -> Result:
    """Somebody else listens on its port, as soon as the ports are decided; with `answers`, and says 200 to everything."""
    return _trial((service,), {service}, [], thief="answers" if answers else "listens")


def _trial(
    services: tuple[str, ...], causes: set[str], command: list[str], *, said: str = "", thief: str = ""
) -> Result:
    from os import environ

    testbed = Testbed(command)
    more = (
        {"TESTBED_BIN_DIR": environ["TESTBED_BIN_DIR"]}
        if set(services) & set(REAL) and "TESTBED_BIN_DIR" in environ
        else {}
    )
    choices = ["--set=stores=real"] * bool({"loki", "tempo"} & set(services)) + ["--set=identity=keycloak"] * (
        "keycloak" in services
    )
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        with Watched(testbed, "up", *choices, **more) as watched:
            state: dict[str, Any] = {}
            while not state.get("services") and watched.boundary(1) is not None:
                state = traces.look() or {}
            there = {item["name"]: item for item in state.get("services") or []}
            absent = {item["name"] for item in state.get("absent") or []}
            if missing := sorted(absent & set(services)):
                watched.interrupt()
                watched.end()
                return Result(figures={"skipped": f"no {', '.join(missing)} on this machine"})
            if not set(services) <= set(there):
                return Result([f"up did not decide about {services}: {watched.end()[1][-400:]}"])
            with _thief(thief, int(state["ports"][services[0]])) if thief else _nothing():
                code, stderr = watched.end()
        failure = read_json(testbed.environment.failure) or {}
        found = {item["service"] for item in failure.get("root_causes") or []}
        blocked = {item["service"]: set(item["by"]) for item in failure.get("blocked") or []}
        result.figures |= {"causes": sorted(found), "blocked": sorted(blocked)}
        if code != 2:
            result.wrong.append(f"exit {code}, not 2: {stderr[-300:]}")
        if found != causes:
            result.wrong.append(f"causes {sorted(found)}, broken were {sorted(causes)}; {failure.get('message')}")
        wanted = _dependents({name: set(item["requires"]) for name, item in there.items()}, causes) - causes
        # A provisioning that stops has not started others either: they are blocked by the same cause.
        if not wanted <= set(blocked) or set(blocked) & set(failure.get("healthy") or []):
            result.wrong.append(f"blocked {sorted(blocked)}, those that wait are {sorted(wanted)}")
        if odd := sorted(name for name, by in blocked.items() if not by <= causes):
            result.wrong.append(f"{odd} are blocked by what is no cause")
        for item in failure.get("root_causes") or []:
            text = "\n".join([item["reason"], *item["log"]])
            if said and said not in text:
                result.wrong.append(f"{item['service']}: its log lines do not tell the reason: {text[-300:]}")
            if thief and not re.search(r"in use|cannot listen|bind|port", text, re.IGNORECASE):
                result.wrong.append(f"{item['service']}: nothing says that the port is taken: {text[-300:]}")
            if item["service"] not in stderr:
                result.wrong.append(f"the message does not name {item['service']}: {stderr[-300:]}")
        result.wrong += [f"after the rollback: {item}" for item in traces.left(AFTER_FAILURE)]
        result.wrong += testbed.down() + [f"after down: {item}" for item in traces.left()]
        return result


def _dependents(requires: dict[str, set[str]], causes: set[str]) -> set[str]:
    """All that hang on one of these, directly or through others."""
    found: set[str] = set()
    while new := {name for name, needs in requires.items() if needs & (found | causes)} - found:
        found |= new
    return found


@contextmanager
def _broken(services: tuple[str, ...]) -> Iterator[Path]:
    """A copy of the playbooks in which the programs of these services end at once."""
    root = Path(tempfile.mkdtemp(prefix="testbed-drill-books-"))
    try:
        books = Path(shutil.copytree(lookup.PROJECT / "playbooks", root / "playbooks"))
        (root / "runners").symlink_to(lookup.PROJECT / "runners")
        template = books / "templates" / "program.conf.j2"
        text = template.read_text()
        old = "program.argv)"
        if old not in text:
            raise RuntimeError(f"{template} does not have {old!r} any more")
        names = ", ".join(f"'{name}'" for name in services)
        new = f"(['/bin/sh', '-c', 'echo {BROKEN}; exit 3'] if program.name in [{names}] else program.argv))"
        template.write_text(text.replace(old, new))
        yield books
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _thief(kind: str, port: int) -> Iterator[None]:
    """A listener on the port: one that says 200 to whatever it is asked, or one that never answers."""
    if kind == "listens":
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(16)
            yield
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Yes)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Silent."""


Case = Callable[[Share, random.Random], Result]
CASES: dict[str, Case] = {f"cause {name} ends": partial(ends, (name,), {name}) for name in SERVICES}
CASES |= {f"cause {name} port taken": partial(port_taken, name, False) for name in SERVICES}
CASES |= {
    f"cause {name} impostor": partial(port_taken, name, True)
    for name in SERVICES if name not in ("postgres", "redis")
}  # fmt: skip
CASES |= {f"causes {'+'.join(pair)}": partial(ends, pair, causes) for pair, causes in PAIRS.items()}
