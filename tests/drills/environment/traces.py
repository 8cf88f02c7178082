"""What an environment may leave on a machine, looked for everywhere it could be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runners.environment.host import listeners, ports, processes
from runners.lib import proc
from runners.lib.files import read_json
from runners.lib.home import Environment
from tests.drills.testbed import used_ports

AFTER_DOWN = frozenset({"lease", "chaos"})
AFTER_FAILURE = AFTER_DOWN | {"logs", "failure.json", "state.json", "releases"}


class Traces:
    """Knows an environment by its folder and by every state.json that it was shown."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clusters: set[int] = set()  # inodes of PostgreSQL's folders, which are the keys of its shared memory
        self.states: dict[str, dict[str, Any]] = {}

    def look(self) -> dict[str, Any] | None:
        """Take note of what state.json says now, because it goes when the environment does."""
        state = read_json(self.environment.state)
        for folder in [self.environment.data, *map(Path, (state or {}).get("outside") or [])]:
            for cluster in (folder / "postgres", folder / "postgres.new"):
                if cluster.is_dir():
                    self.clusters.add(cluster.stat().st_ino & 0xFFFFFFFF)
        if state is not None and state.get("env_id"):
            self.states[str(state["env_id"])] = {**self.states.get(str(state["env_id"]), {}), **state}
            for folder in state.get("outside") or []:
                self.states[str(state["env_id"])].setdefault("ever_outside", set()).add(folder)
        return state

    def processes(self) -> dict[int, int]:
        """pid → start of all that belongs to the environment: its services, and playbooks at work on it."""
        found = processes.members("TMPDIR", str(self.environment.root / "job" / "tmp"))
        for env_id in self.states:
            found |= processes.members(processes.ENV_MARK, env_id)
        return found

    def left(self, kept: frozenset[str] = AFTER_DOWN) -> list[str]:
        """Sentences about what is there though it should be gone. kept: entries of the folder that may stay."""
        self.look()
        wrong = []
        if found := self.processes():
            wrong.append(f"processes left: {[_named(pid) for pid in sorted(found)]}")
        for env_id, state in self.states.items():
            if taken := [
                port for port in used_ports(state) if not ports.is_free(port) and not _of_another(port, env_id)
            ]:
                wrong.append(f"listeners left on {taken}")
            outside = {f"/var/tmp/testbed-{env_id}", *state.get("ever_outside", ())}
            if there := sorted(path for path in outside if Path(path).exists()):
                wrong.append(f"files left outside: {there}")
            if state.get("kind") == "compose":
                wrong += _in_the_engine(env_id)
        root = self.environment.root
        files = {path.name for path in root.iterdir()} if root.is_dir() else set()
        if files - kept:
            wrong.append(f"files left: {sorted(files - kept)}")
        if (
            "chaos" in files
            and (inside := [path.name for path in self.environment.chaos.rglob("*") if not path.name.endswith("lock")])
            and kept == AFTER_DOWN
        ):
            wrong.append(f"files left in chaos: {inside}")
        if sockets := [line for line in Path("/proc/net/unix").read_text().splitlines() if str(root) in line]:
            wrong.append(f"sockets left: {sockets}")
        rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
        if new := [row[1] for row in rows if row[6] == "0" and int(row[0]) & 0xFFFFFFFF in self.clusters]:
            wrong.append(f"shared memory left: {new}")
        return wrong


def _in_the_engine(env_id: str) -> list[str]:
    """Containers, networks and volumes with the environment's label."""
    from runners.environment.containers import engine

    api, label = engine.connect().api, {"label": f"{engine.LABEL}={env_id}"}
    found = {
        "containers": [item["Names"] for item in api.containers(all=True, filters=label)],
        "networks": [item["Name"] for item in api.networks(filters=label)],
        "volumes": [item["Name"] for item in (api.volumes(filters=label)["Volumes"] or [])],
    }
    return [f"{what} left: {names}" for what, names in found.items() if names]


def _of_another(port: int, env_id: str) -> bool:
    """Does a process that was never this environment's listen there? It took the port when this one gave it back."""
    inodes = {inode for _, number, inode in listeners.listening() if number == port}
    mark = f"{processes.ENV_MARK}={env_id}".encode()
    return any(inodes & set(listeners.sockets(pid)) and mark not in proc.environ(pid) for pid in proc.pids())


def _named(pid: int) -> str:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        argv = []
    return f"{pid} {b' '.join(argv).decode(errors='replace')[:100]}"


def job_processes(environment: Environment) -> list[int]:
    """Processes of the playbook that works on this environment."""
    return proc.carriers("TMPDIR", str(environment.root / "job" / "tmp"))
