"""A host of our own making: a network namespace with an sshd of its own, which only this machine can reach.

It shares processes and files with us, and nothing of the network: its loopback is its own, it has no way out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"
PORT = 22


@dataclass(frozen=True)
class SshHost:
    """address: of the host; home: a folder for it; key: of its only user, root; known_hosts: has its key."""

    name: str
    address: str
    key: Path
    known_hosts: Path
    home: Path

    def pids(self) -> list[int]:
        """Processes inside the namespace, sshd included."""
        done = subprocess.run(["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True)
        return [int(word) for word in done.stdout.split()]

    def listeners(self) -> set[str]:
        """`address:port` of every listening TCP socket inside."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, "ss", "-ltnH"], check=True, capture_output=True, text=True
        )
        return {line.split()[3] for line in done.stdout.splitlines()}


def why_not() -> str | None:
    """Why no such host can be made here; None when it can."""
    if os.geteuid() != 0:
        return "a network namespace with an sshd needs root"
    for program, package in (("ip", "iproute2"), (SSHD, "openssh-server"), ("ssh", "openssh-client")):
        if shutil.which(program) is None:
            return f"{program} is not on this machine (Debian: {package})"
    done = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True, text=True)
    return None if done.returncode == 0 else f"no network namespace can be made here: {done.stderr.strip()}"


@contextlib.contextmanager
def ssh_host(folder: Path) -> Iterator[SshHost]:
    """Made below `folder`, reachable when it is yielded, gone with everything in it afterwards."""
    name, (ours, theirs) = f"testbed-{os.getpid()}", _addresses()
    link = f"tb{os.getpid()}"
    home, key = folder / "host", folder / "id"
    home.mkdir(mode=0o700)
    for path in (key, folder / "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    known = folder / "known_hosts"
    known.write_text(f"{theirs} {(folder / 'hostkey.pub').read_text()}")
    (folder / "authorized_keys").write_text((folder / "id.pub").read_text())
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress {theirs}\nPort {PORT}\nHostKey {folder}/hostkey\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nMaxStartups 100\nMaxSessions 100\nSubsystem sftp internal-sftp\n"
    )
    separation = Path("/run/sshd")
    made = not separation.is_dir()
    separation.mkdir(mode=0o755, exist_ok=True)
    server = None
    try:
        _ip("netns", "add", name)
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{ours}/30", "dev", link)
        _ip("link", "set", link, "up")
        for words in (
            ["link", "set", "lo", "up"],
            ["address", "add", f"{theirs}/30", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
        ):
            _ip("-n", name, *words)
        server = subprocess.Popen(
            ["ip", "netns", "exec", name, SSHD, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=(folder / "sshd.log").open("wb"), start_new_session=True,
        )  # fmt: skip
        host = SshHost(name, theirs, key, known, home)
        _wait(theirs, server, folder / "sshd.log")
        yield host
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _end(name)
        if server is not None:
            server.kill()
            server.wait(10)
        for words in (["netns", "delete", name], ["link", "delete", link]):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(*words)
        if made:
            with contextlib.suppress(OSError):
                separation.rmdir()


def _addresses() -> tuple[str, str]:
    """Both ends of a /30 that nobody here uses."""
    used = subprocess.run(["ip", "-o", "-4", "address"], check=True, capture_output=True, text=True).stdout
    for number in range(os.getpid(), os.getpid() + 4000):
        net = f"10.213.{number // 60 % 250}.{number % 60 * 4}".rsplit(".", 1)
        ours, theirs = (f"{net[0]}.{int(net[1]) + last}" for last in (1, 2))
        if f" {ours}/" not in used and f" {theirs}/" not in used:
            return ours, theirs
    raise RuntimeError("no free addresses for a namespace")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _end(name: str) -> None:
    """Kill everything inside."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        done = subprocess.run(["ip", "netns", "pids", name], check=True, capture_output=True, text=True)
        pids = [int(word) for word in done.stdout.split()]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, PORT), 0.5) as connection:
            if connection.recv(16).startswith(b"SSH-2.0"):
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"sshd does not answer: {log.read_text()}")
        time.sleep(0.02)
