"""What is said of a service whose port another program has."""

import os
import socket
import subprocess
import sys

from runners.environment.local import doubt
from runners.environment.state import Unit


def test_a_service_is_healthy_only_when_its_own_process_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert doubt(Unit("running", os.getpid()), port) is None
        other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        assert doubt(Unit("starting", other.pid), port) == "another program answers on its port"
        other.communicate()
        assert doubt(Unit("running", other.pid), port) is None  # it ended since: its successor may have answered
        assert "does not run" in str(doubt(Unit("stopped"), port))
        assert "does not run" in str(doubt(None, port))
