"""A supervisord that does not start says why."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from runners.environment.host.apply import DidNotStart, apply


def test_a_taken_port_of_supervisord_is_named_as_the_reason(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:  # answers 501: no supervisord
        port = other.server_port
        threading.Thread(target=other.serve_forever, daemon=True).start()
        (tmp_path / "password").write_text("secret")
        configuration, log = tmp_path / "supervisord.conf", tmp_path / "supervisor.log"
        configuration.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={log}\npidfile={tmp_path}/pid\nidentifier=test\n"
            f"[inet_http_server]\nport=127.0.0.1:{port}\nusername=testbed\npassword=secret\n"
        )
        credentials = {"username": "testbed", "password_file": str(tmp_path / "password")}
        try:
            with pytest.raises(DidNotStart, match="already listening on a port"):
                apply({"url": f"http://127.0.0.1:{port}", **credentials}, configuration, log, "test")
        finally:
            other.shutdown()
