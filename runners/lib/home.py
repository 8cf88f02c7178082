"""Where all state lies: the folder layout of TESTBED_HOME."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from runners.lib.errors import NotReady

_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}


def find_home(option: str | None = None) -> Path:
    """`--home` or TESTBED_HOME; else the nearest `.testbed` upwards, like .git; else `./.testbed`. Absolute."""
    if chosen := option or os.environ.get("TESTBED_HOME"):
        return Path(chosen).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".testbed").is_dir():
            return folder / ".testbed"
    return here / ".testbed"


@dataclass(frozen=True)
class Home:
    """Paths only; nothing is created but by `create`."""

    root: Path

    @property
    def live(self) -> Path:
        return self.root / "live"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def results_url(self) -> str:
        """The default database."""
        return f"sqlite:///{self.root / 'results.db'}"

    @property
    def chaos_audit(self) -> Path:
        return self.root / "chaos" / "audit.jsonl"

    def run(self, run_id: str) -> Path:
        return self.runs / run_id

    def env(self, name: str) -> Environment:
        return Environment(self.root / "env" / name)

    def create(self) -> None:
        """Make the folders. Raises NotReady on a network file system: locks there say nothing about liveness; and where
        nothing can be written."""
        refuse_network_file_system(self.root)
        try:
            for folder in (self.root, self.live, self.runs, self.root / "env"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as error:
            raise NotReady(
                f"the state folder cannot be used: {error.strerror}",
                file=error.filename, remedy="make it writable, or name another one with --home",
            ) from None  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """The folder of one environment: env/<name>/."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def failure(self) -> Path:
        return self.root / "failure.json"

    @property
    def lease(self) -> Path:
        return self.root / "lease"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def chaos(self) -> Path:
        return self.root / "chaos"

    @property
    def journal(self) -> Path:
        return self.chaos / "journal"

    @property
    def halted(self) -> Path:
        return self.chaos / "HALTED"

    @property
    def identities(self) -> Path:
        return self.secrets / "identities.json"


def refuse_network_file_system(path: Path) -> None:
    """Raises NotReady when `path`, or the nearest folder above it that exists, lies on a network file system."""
    while not path.exists() and path != path.parent:
        path = path.parent
    path = path.resolve()
    best, kind = Path("/"), ""
    for line in Path("/proc/self/mounts").read_text(errors="replace").splitlines():
        _, mount, found, *_ = line.split(" ")
        folder = Path(mount.encode().decode("unicode_escape"))
        if path.is_relative_to(folder) and len(folder.parts) >= len(best.parts):
            best, kind = folder, found
    if kind in _NETWORK_FILE_SYSTEMS:
        raise NotReady(
            f"{path} lies on a network file system ({kind}), where locks do not prove that a process lives",
            remedy="choose a folder on a local disk with --home",
        )
