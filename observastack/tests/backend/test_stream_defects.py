"""Each defect of the live stream changes one behaviour, seen by a client; two processes have all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from observastack import config as configuration
from observastack.config import Config
from observastack.tests.backend.alerting import fired, unique
from observastack.tests.backend.serving import Backend, Store, backend
from observastack.tests.backend.streaming import Stream, bodies, stream
from observastack.tests.platform import Tokens
from tests.servers import free_port

Check = Callable[[Backend, Store], bool]


def _line(store: Store, tenant: str, body: str, service: str = "shop") -> None:
    store.logs(tenant, [{"ts": time.time_ns(), "body": body}], service)


def _seen_until(opened: Stream, last: str) -> list[str]:
    found: list[str] = []
    while last not in found:
        found += bodies(opened.items(1))
    return found


def _still_there(opened: Stream) -> bool:
    try:
        opened.say(type="ping")
        opened.until(lambda message: message["type"] == "pong")
        return True
    except (ConnectionClosed, AssertionError):
        return False


def _is_of_one_tenant(running: Backend, store: Store) -> bool:
    name = unique("leak")
    with stream(running, types="logs") as opened:
        _line(store, "globex", f"{name} theirs")
        _line(store, "acme", f"{name} mine")
        return f"{name} theirs" not in _seen_until(opened, f"{name} mine")


def _ends_with_the_token(running: Backend, store: Store) -> bool:
    token = Tokens(running.config)("acme", ("viewer",), exp=int(time.time()) + 2)
    with stream(running, token=token) as opened:
        deadline = time.monotonic() + 6
        while _still_there(opened):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
    return True


def _ends_with_the_session(running: Backend, store: Store) -> bool:
    token = running.login("acme-analyst").json()["access_token"]
    with stream(running, token=token) as opened:
        running.client.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})
        deadline = time.monotonic() + 9
        while _still_there(opened):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
    return True


def _resumed(running: Backend, store: Store) -> list[str]:
    """What a client gets that was away while the second record arrived."""
    name = unique("resume")
    with stream(running, types="logs", free_text=name) as opened:
        _line(store, "acme", f"{name} 1")
        _seen_until(opened, f"{name} 1")
    _line(store, "acme", f"{name} 2")
    with stream(running, types="logs", free_text=name, cursor=opened.seen[-1]["cursor"]) as again:
        _line(store, "acme", f"{name} 3")
        return [body.rpartition(" ")[2] for body in _seen_until(again, f"{name} 3")]


def _resumes_without_gap(running: Backend, store: Store) -> bool:
    return "2" in _resumed(running, store)


def _resumes_without_repeat(running: Backend, store: Store) -> bool:
    """From a place within a write: at its end there is nothing that could come twice."""
    name = unique("repeat")
    with stream(running, types="logs", free_text=name) as opened:
        store.logs("acme", [{"ts": time.time_ns(), "body": f"{name} {n}"} for n in range(300)])
        opened.items(300)
    first = next(message for message in opened.seen if message["type"] == "items")
    assert len(first["items"]) < 300
    with stream(running, types="logs", free_text=name, cursor=first["cursor"]) as again:
        return f"{name} 0" not in _seen_until(again, f"{name} 299")


def _shows_alerts(running: Backend, store: Store) -> bool:
    with stream(running, types="logs,alerts") as opened:
        fired(running)
        body = unique("after")
        _line(store, "acme", body)
        _seen_until(opened, body)
    return any(message["type"] == "alert" for message in opened.seen)


def _filters(running: Backend, store: Store) -> bool:
    name = unique("filter")
    with stream(running, types="logs", service="depot") as opened:
        _line(store, "acme", f"{name} shop", "shop")
        _line(store, "acme", f"{name} depot", "depot")
        return f"{name} shop" not in _seen_until(opened, f"{name} depot")


def _tells_what_a_slow_client_missed(running: Backend, store: Store) -> bool:
    name, size, writes = unique("slow"), 100, 16
    with stream(running, types="logs", free_text=name, slow=True) as opened:
        for number in range(writes):  # 16 MB while nothing is read: beyond all buffers between here and there
            at = time.time_ns()
            store.logs("acme", [{"ts": at, "body": f"{name} {number} {n} {'x' * 10_000}"} for n in range(size)])
        _line(store, "acme", f"{name} last")
        shown, dropped = 0, 0
        while True:
            message = opened.until(lambda message: message["type"] == "items")
            shown, dropped = shown + len(message["items"]), dropped + int(message["dropped"])
            if message["items"] and message["items"][-1]["content"]["body"] == f"{name} last":
                break
    assert shown < size * writes
    return shown + dropped == size * writes + 1


CHECKS: dict[str, Check] = {
    "stream_leak": _is_of_one_tenant,
    "stream_no_expiry": _ends_with_the_token,
    "stream_denylist_ignored": _ends_with_the_session,
    "stream_resume_gap": _resumes_without_gap,
    "stream_resume_repeats": _resumes_without_repeat,
    "stream_alerts_lost": _shows_alerts,
    "stream_filter_ignored": _filters,
    "stream_drops_untold": _tells_what_a_slow_client_missed,
}
GROUPS = (
    {"stream_leak", "stream_no_expiry", "stream_denylist_ignored", "stream_resume_gap"},
    {"stream_resume_repeats", "stream_alerts_lost", "stream_filter_ignored", "stream_drops_untold"},
)


@pytest.fixture(scope="module", params=GROUPS, ids=min)
def defective(
    request: pytest.FixtureRequest, served_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[set[str], Backend]]:
    folder = tmp_path_factory.mktemp("stream-defects")
    document = json.loads(served_config.file.read_text())
    document["backend"]["port"] = free_port()
    file = folder / "observastack.json"
    file.write_text(json.dumps(document))
    with backend(configuration.load(file, environ={}), folder, defects=",".join(request.param)) as running:
        yield request.param, running


def test_exactly_what_the_defects_name_is_wrong(defective: tuple[set[str], Backend], store: Store) -> None:
    names, running = defective
    # A stream that skips to the present has nothing to repeat: that one is asked where the other is off.
    checks = {name: check for name, check in CHECKS.items() if name in names or name not in ("stream_resume_repeats",)}
    wrong = {name for name, check in checks.items() if not check(running, store)}
    assert wrong == names


@pytest.mark.parametrize("name", ["stream_resume_repeats", "stream_drops_untold"])
def test_without_defects_nothing_is_wrong(served: Backend, store: Store, name: str) -> None:
    """The others hold in test_stream.py."""
    assert CHECKS[name](served, store)
