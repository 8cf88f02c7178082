"""The live stream of a target: opened once, to see that it says something."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from runners.target import template
from runners.target.client import Target
from runners.target.identities import Identity
from runners.target.operation import Operation

OPEN_S = 5.0


class LiveStreamFailed(Exception):
    """It could not be opened, or closed without a word. status: of the refused handshake, None when there was none."""

    def __init__(self, what: str, status: int | None = None) -> None:
        super().__init__(what)
        self.status = status


def first_message(target: Target, operation: Operation, who: Identity | None, variables: Mapping[str, Any]) -> float:
    """Milliseconds until the first message. Raises LiveStreamFailed, template.MissingVariable, NotReady."""
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    request = operation.request(**variables)
    known = {**variables, **({} if who is None else {"token": target.tokens.bearer(who)})}
    offered = [Subprotocol(template.fill(name, known)) for name in operation.template.subprotocols]
    url = urlsplit(request.url)
    address = url._replace(scheme={"http": "ws", "https": "wss"}[url.scheme]).geturl()
    began = time.monotonic()
    try:
        with connect(
            address, subprotocols=offered, additional_headers=dict(request.headers), open_timeout=OPEN_S, close_timeout=1,
            proxy=None,
        ) as stream:  # fmt: skip
            stream.recv(timeout=OPEN_S)
            return round((time.monotonic() - began) * 1000, 1)
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        raise LiveStreamFailed(f"the handshake was answered with status {status}", status) from None
    except ConnectionClosed as closed:
        frame = closed.rcvd
        code = f"{frame.code} {frame.reason}".strip() if frame is not None else "no reason"
        raise LiveStreamFailed(f"it was closed at once: {code}") from None
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise LiveStreamFailed(f"{type(error).__name__}: {error}") from None
