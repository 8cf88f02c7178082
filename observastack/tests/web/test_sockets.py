"""The live stream through the web server: message for message, close code for close code."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from observastack.tests.web.conftest import Served, web


def dial(served: Served, path: str = "/api/v1/stream", **arguments: Any) -> ClientConnection:
    stream: ClientConnection = connect(f"ws://127.0.0.1:{served.port}{path}", proxy=None, open_timeout=10, **arguments)
    return stream


def test_subprotocols_go_up_and_the_chosen_one_comes_back(served: Served) -> None:
    with dial(served, subprotocols=["observastack.v1", "bearer.aa.bb-c_.dd"]) as stream:
        assert stream.subprotocol == "observastack.v1"
        assert json.loads(stream.recv())["asked"] == ["observastack.v1", "bearer.aa.bb-c_.dd"]
        for number in range(3):
            stream.send(str(number))
            assert stream.recv() == f"echo {number}"


def test_a_client_cannot_name_a_tenant(served: Served) -> None:
    with dial(served, additional_headers={"X-Scope-OrgID": "globex"}) as stream:
        assert "x-scope-orgid" not in json.loads(stream.recv())["headers"]


def test_the_backends_close_code_reaches_the_client(served: Served) -> None:
    with dial(served) as stream:
        stream.recv()
        stream.send("end")
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "expired")


def test_a_refused_handshake_is_refused_with_the_backends_status(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(served, "/api/v1/refused")
    assert refused.value.response.status_code == 403


def test_a_page_of_another_site_cannot_open_one(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(served, origin="http://evil.invalid")
    assert refused.value.response.status_code == 403
    with dial(served, origin=f"http://127.0.0.1:{served.port}") as stream:
        assert stream.recv()


def test_only_the_api_has_sockets(served: Served) -> None:
    with pytest.raises(InvalidStatus):
        dial(served, "/stream")


def test_an_orderly_stop_ends_streams_and_exits_with_zero(tmp_path: Path) -> None:
    with web(tmp_path / "stop") as running, dial(running) as stream:
        stream.recv()
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert running.process.wait(10) == 0
