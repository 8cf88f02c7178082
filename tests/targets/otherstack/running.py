"""The other platform as a process, its keys, and the folder that describes it to the testbed."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.command import ROOT
from tests.servers import free_port

ACCOUNTS = ("acme", "globex", "initech")


@contextlib.contextmanager
def otherstack(folder: Path) -> Iterator[Path]:
    """Serves while the context is open; yields the inventory: target.yml and identities.json."""
    port = free_port()
    users, keys = [], {}
    for account in ACCOUNTS:
        for role, right in (("reader", "read"), ("writer", "write")):
            key = secrets.token_urlsafe(24)
            keys[key] = {"account": account, "rights": right}
            users.append({"username": f"{account}-{role}", "tenant": account, "roles": [role], "token": key})
    inventory = folder / "otherstack"
    inventory.mkdir()
    profile = Path(__file__).with_name("target.yml").read_text().replace("PORT", str(port))
    (inventory / "target.yml").write_text(profile)
    (inventory / "identities.json").write_text(
        json.dumps({"tenants": [{"id": one} for one in ACCOUNTS], "users": users})
    )
    (folder / "keys.json").write_text(json.dumps(keys))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.targets.otherstack.app", str(port), str(folder / "keys.json")], cwd=ROOT
    )
    try:
        _until_it_answers(f"http://127.0.0.1:{port}/status", process)
        yield inventory
    finally:
        process.terminate()
        process.wait(10)


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "the platform ended"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the platform does not answer")
