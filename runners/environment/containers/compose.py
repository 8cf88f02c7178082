"""The compose plugin of the docker command: which one it is, and whether it will do."""

from __future__ import annotations

import re
import shutil
import subprocess

from runners.lib.errors import NotReady

OLDEST = (2, 18)  # the first whose `up --wait` knows one-shot services
_ASK_S = 10.0


def plugin() -> tuple[bool, str]:
    """Whether it will do; its version, or what is wrong."""
    if shutil.which("docker") is None:
        return False, "docker not on PATH"
    try:
        done = subprocess.run(
            ["docker", "compose", "version", "--short"], check=False, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=_ASK_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"docker compose does not answer: {error}"
    version = done.stdout.strip()
    if done.returncode != 0 or not (found := re.match(r"v?(\d+)\.(\d+)", version)):
        return False, "docker has no compose plugin"
    if (int(found[1]), int(found[2])) < OLDEST:
        return False, f"the compose plugin is {version}, older than {'.'.join(map(str, OLDEST))}"
    return True, version


def require() -> None:
    """Raises NotReady before anything is made that only compose could start."""
    there, detail = plugin()
    if not there:
        raise NotReady(detail, remedy="testbed doctor says how to get it")
