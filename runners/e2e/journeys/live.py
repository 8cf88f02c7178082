"""The live stream: what is written now is seen now, by its tenant only."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import urlencode

from runners.e2e.journey import Broken, Unassessed, check, equal, journey
from runners.e2e.scene import PATIENCE_S, Scene
from runners.e2e.telemetry import Log
from runners.target import Identity

PROTOCOL = "observastack.v1"
LARGE = 450
"""Records of one write: more than a message of the stream holds."""


class Tail:
    """One client of the stream, as a page would be one."""

    def __init__(self, scene: Scene, who: Identity, **query: str) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        request = scene.operation("live.stream").request()
        url = request.url.replace("http", "ws", 1) + (f"&{urlencode(query)}" if query else "")
        token = scene.target.tokens.bearer(who)
        try:
            self._socket = connect(
                url, subprotocols=[Subprotocol(PROTOCOL), Subprotocol(f"bearer.{token}")], open_timeout=10, proxy=None
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Broken(f"the stream could not be opened: {type(error).__name__}: {error}") from None
        self.cursor: str | None = None
        if self.wait(lambda message: message["type"] == "hello") is None:
            raise Broken("the stream opened and did not greet")

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait(self, wanted: Any, patience_s: float = PATIENCE_S) -> dict[str, Any] | None:
        """The first message that is wanted; None when none came in time."""
        deadline = time.monotonic() + patience_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                message: dict[str, Any] = json.loads(self._socket.recv(timeout=left))
            except TimeoutError:
                return None
            except Exception as error:
                raise Broken(f"the stream ended: {type(error).__name__}: {error}") from None
            self.cursor = message.get("cursor") or self.cursor
            if wanted(message):
                return message
        return None

    def until(self, text: str) -> tuple[list[str], bool]:
        """All messages up to the one that shows the text, and whether it came."""
        seen: list[str] = []

        def look(message: dict[str, Any]) -> bool:
            seen.append(repr(message))
            return text in seen[-1]

        return seen, self.wait(look) is not None


def _shows(text: str) -> Any:
    return lambda message: text in repr(message)


def _fresh(scene: Scene, number: int) -> Log:
    return Log(time.time_ns(), f"{scene.mark} live {number}")


@journey("live.shows-what-is-written-now", "live.stream", "ingest.logs")
def shows(scene: Scene) -> None:
    """A record that is written while one watches appears by itself."""
    with Tail(scene, scene.who("viewer")) as tail:
        scene.write_logs([_fresh(scene, 1)])
        check(tail.wait(_shows(f"{scene.mark} live 1")), "the record did not appear")


@journey("live.shows-ones-own", "live.stream", "ingest.logs")
def own(scene: Scene) -> None:
    """A stranger who watches sees their own records and not these."""
    with Tail(scene, scene.who("viewer", scene.stranger)) as tail:
        scene.write_logs([_fresh(scene, 1)])
        scene.write_logs([Log(time.time_ns(), f"{scene.mark} theirs")], tenant=scene.stranger)
        seen, last = tail.until(f"{scene.mark} theirs")
        if not last:
            raise Unassessed(f"the stream showed {scene.stranger} not even their own record")
        check(
            not any(f"{scene.mark} live" in text for text in seen), f"{scene.stranger} sees a record of {scene.tenant}"
        )


@journey("live.resumes-without-a-gap", "live.stream", "ingest.logs")
def resumes(scene: Scene) -> None:
    """Who comes back with the cursor sees what was written meanwhile, and nothing twice."""
    viewer = scene.who("viewer")
    with Tail(scene, viewer) as tail:
        scene.write_logs([_fresh(scene, 1)])
        check(tail.wait(_shows(f"{scene.mark} live 1")), "the record did not appear")
        cursor = tail.cursor
    if cursor is None:
        raise Broken("the stream gave no cursor")
    scene.write_logs([_fresh(scene, 2), _fresh(scene, 3)])
    with Tail(scene, viewer, cursor=cursor) as tail:
        scene.write_logs([_fresh(scene, 4)])
        seen, _ = tail.until(f"{scene.mark} live 4")
        whole = "".join(seen)
        counts = {number: whole.count(f"{scene.mark} live {number}'") for number in (1, 2, 3, 4)}
    equal(counts, {1: 0, 2: 1, 3: 1, 4: 1}, "how often each record was shown after coming back")


@journey("live.resumes-within-a-write", "live.stream", "ingest.logs")
def resumes_within(scene: Scene) -> None:
    """Whoever goes away in the middle of a large write gets the rest of it, and nothing of what was shown before."""
    viewer, seen = scene.who("viewer"), list[str]()
    bodies = re.compile(rf"{scene.mark} part \d+")
    with Tail(scene, viewer, types="logs", free_text=scene.mark) as tail:
        moment = time.time_ns()
        scene.write_logs([Log(moment + number, f"{scene.mark} part {number:03d}") for number in range(LARGE)])
        first = tail.wait(lambda message: bodies.search(repr(message)))
        if first is None:
            raise Broken("the records did not appear")
        seen += bodies.findall(repr(first))
        cursor = tail.cursor or ""
    with Tail(scene, viewer, types="logs", free_text=scene.mark, cursor=cursor) as tail:
        scene.write_logs([_fresh(scene, 0)])
        rest, last = tail.until(f"{scene.mark} live 0")
        check(last, "the record that was written last did not appear")
        seen += [found for text in rest for found in bodies.findall(text)]
    equal(len(seen) - len(set(seen)), 0, "the number of records shown twice")
    equal(len(set(seen)), LARGE, "the number of records shown")


@journey("live.needs-a-token", "live.stream")
def needs_token(scene: Scene) -> None:
    """Nobody watches without a token."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    with Tail(scene, scene.who("viewer")):
        pass  # with a token it opens, so what is refused below is refused for want of one
    url = scene.operation("live.stream").request().url.replace("http", "ws", 1)
    for offered in ([Subprotocol(PROTOCOL)], [Subprotocol(PROTOCOL), Subprotocol("bearer.made.up.token")]):
        try:
            with connect(url, subprotocols=offered, open_timeout=10, proxy=None) as socket:
                socket.send(json.dumps({"type": "auth", "token": "made.up.token"}))
                message = json.loads(socket.recv(timeout=10))
        except InvalidStatus as refusal:
            if refusal.response.status_code >= 500 or refusal.response.status_code == 429:
                raise Unassessed(f"the handshake was answered with {refusal.response.status_code}") from None
            continue  # refused: that is what is wanted
        except ConnectionClosed:
            continue  # and so is that
        except TimeoutError:
            raise Broken("the stream stays open for somebody without a token") from None
        except (OSError, WebSocketException) as error:
            raise Unassessed(f"the stream could not be opened: {type(error).__name__}: {error}") from None
        check(message.get("type") == "error", f"the stream told a stranger: {message.get('type')}")
