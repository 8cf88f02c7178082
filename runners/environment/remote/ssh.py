"""Ask the host of an environment something over SSH, as Ansible reaches it; and say what is wrong when that fails.

The connection's parameters were recorded when the environment was provisioned. Keys only: a password is never kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.lib.errors import NotReady

CONNECT_TIMEOUT_S = 5
TIMEOUT_S = 30.0
_SHARED = "-C -o ControlMaster=auto -o ControlPersist=60s -o BatchMode=yes"
_CONSOLE = "runners.environment.remote.console"


@dataclass(frozen=True)
class Problem:
    """What a line of ssh's complaints means, and what to do."""

    pattern: str
    what: str
    remedy: str


PROBLEMS = (
    Problem(r"bad owner or permissions|unprotected private key", "the private key is readable for others", "chmod 600 it"),
    Problem(
        r"host key verification failed|remote host identification has changed|host key is known by",
        "the host's key is not the one that is known",
        "see that it is the right host, then put its key into known_hosts (ssh-keyscan, ssh-keygen -R)",
    ),
    Problem(
        r"permission denied|too many authentication failures|no such identity|load key",
        "the host refuses to log in",
        "check ansible_user and ansible_ssh_private_key_file in hosts.yml, and authorized_keys on the host",
    ),
    Problem(
        r"is driven from",
        "another controller drives the environment on that host",
        "take it down from there; where that controller is no more, set testbed_takeover: true in the inventory",
    ),
    Problem(
        r"could not resolve hostname|name or service not known",
        "the host's name is unknown",
        "check ansible_host in hosts.yml",
    ),
    Problem(
        r"connection refused|timed out|no route to host|network is unreachable|connection closed|connection reset|banner",
        "the host does not answer",
        "check ansible_host and ansible_port in hosts.yml, the network, and that sshd runs there",
    ),
    Problem(
        r"no such file or directory.*python|python.*not found|no module named '?runners",
        "the testbed is not installed on the host any more",
        "provision it again with: testbed up",
    ),
    Problem(
        r"missing sudo password|a password is required|sudo:.*not in the sudoers|incorrect sudo password",
        "root may not be had on the host",
        "give ansible_become_password in the vault, let the user sudo without one, or leave testbed_system_packages empty",
    ),
    Problem(
        r"decryption failed|no vault secrets|vault password|not a valid vault|problem with the vault",
        "the vault cannot be opened",
        "name the file with the right password: ANSIBLE_VAULT_PASSWORD_FILE=… testbed up",
    ),
)  # fmt: skip


@contextlib.contextmanager
def reaching(root: Path) -> Iterator[dict[str, str]]:
    """What Ansible must know to reach a host and never to ask on a terminal. root: the environment's folder here."""
    begin = control_path(root)
    # A folder of ours with a name that nobody knows before: who laid one there could put a socket of their own into it.
    shared = Path(tempfile.mkdtemp(prefix=f"{begin.name}-", dir=begin.parent))
    try:
        yield _environ(shared)
    finally:
        _close(shared)


def _environ(shared: Path) -> dict[str, str]:
    return {
        "ANSIBLE_SSH_ARGS": _SHARED, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(shared), "ANSIBLE_TIMEOUT": "10",
        # ansible-runner would accept any host.
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
    }  # fmt: skip


def control_path(root: Path) -> Path:
    """How the folders begin in which ssh keeps its shared connections, one for each playbook: short, since a socket's path
    may have 107 bytes."""
    name = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"testbed-{os.geteuid()}-{name}"


def forget(root: Path) -> None:
    """End such connections of processes that were killed."""
    begin = control_path(root)
    for folder in begin.parent.glob(f"{begin.name}-*"):
        if not folder.is_symlink() and folder.stat().st_uid == os.geteuid():
            _close(folder)


def _close(shared: Path) -> None:
    """End what ssh keeps open for a minute, here and on the host, and remove the folder of its sockets."""
    for socket in shared.iterdir() if shared.is_dir() else ():
        command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "host"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=CONNECT_TIMEOUT_S
            )
    shutil.rmtree(shared, ignore_errors=True)


def explain(text: str) -> Problem | None:
    """The first known problem that these words of ssh, sudo or Ansible tell of."""
    lowered = text.lower()
    return next((problem for problem in PROBLEMS if re.search(problem.pattern, lowered)), None)


@dataclass(frozen=True)
class Host:
    """name: in the inventory; argv: ssh with all its options and the address; python: of the testbed on the host;
    environment: the folder there."""

    name: str
    argv: tuple[str, ...]
    python: str
    environment: str

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> Host:
        """From state.json. Raises NotReady when it never got so far."""
        remote = recorded.get("remote") or {}
        if not remote.get("ssh"):
            raise NotReady(
                f"environment '{recorded.get('environment')}' was never provisioned on its host",
                remedy="provision it with: testbed up",
            )
        return cls(str(remote["host"]), tuple(remote["ssh"]), str(remote["python"]), str(remote["environment"]))

    def ask(self, *words: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """One question to the console there; its JSON answer. Raises NotReady."""
        command = [*self.argv, *_quoted(self.python, "-I", "-m", _CONSOLE, self.environment, *words)]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise NotReady(f"{self.name} gave no answer within {timeout_s:g} s", remedy="check the host") from None
        except FileNotFoundError:
            raise NotReady("there is no ssh on this machine", remedy="install openssh-client") from None
        try:
            found = json.loads(done.stdout)
        except ValueError:
            raise self.failed(done.stderr or f"exit code {done.returncode}") from None
        if "error" in found:
            raise NotReady(str(found["error"]), remedy=found.get("remedy"))
        return dict(found)

    def lines(self, *words: str) -> Iterator[str]:
        """What a command on the host prints, line by line as it comes. Raises NotReady when it cannot be started."""
        process = subprocess.Popen(
            [*self.argv, *_quoted(*words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace",
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        try:
            yield from (line.rstrip("\n") for line in process.stdout)
            if process.wait() != 0:
                raise self.failed(process.stderr.read())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()

    def failed(self, said: str) -> NotReady:
        """An error for people from ssh's complaint."""
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        known = explain(said)
        if known is None:
            return NotReady(f"host {self.name}: {last}", remedy=f"try it: {' '.join(self.argv)}")
        return NotReady(f"host {self.name}: {known.what} ({last})", remedy=known.remedy)


def _quoted(*words: str) -> list[str]:
    """ssh joins its arguments with spaces and gives them to the user's shell there."""
    return [shlex.quote(word) for word in words]
