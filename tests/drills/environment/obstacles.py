"""What stands in the way: a full disk, half an environment, stale pid files, another user's files.

Each trial: the report names what it is; one `testbed down` takes away what can be taken away; with the obstacle gone,
a second `up` works.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runners.environment.host import accounts, processes
from runners.lib import proc
from runners.lib.files import read_json
from tests.drills.environment.moments import Share, Watched
from tests.drills.environment.traces import AFTER_FAILURE, Traces
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed
from tests.packaging import distributions

ENOUGH = "512m"


def full_disk(size: str, share: Share, _: random.Random) -> Result:
    """The home lies on a file system that is too small for Ansible, or for PostgreSQL's files; or is full all at once
    while services are being started.

    As an unprivileged user, because root's PostgreSQL keeps its data elsewhere.
    """
    if os.geteuid() != 0:
        return Result(figures={"skipped": "needs root, to mount a small file system"})
    program = program_for("nobody")
    if program is None:
        return Result(figures={"skipped": "user nobody can run neither this checkout nor wheels of it"})
    with _small_disk(ENOUGH if size == "later" else size) as place:
        owner = pwd.getpwnam("nobody")
        os.chown(place, owner.pw_uid, owner.pw_gid)
        testbed = Testbed(program, place, "nobody")
        traces, result = Traces(testbed.environment), Result()
        with finally_do(lambda: _end(testbed)):
            ballast = place / "ballast"
            with Watched(testbed, "up") as watched:
                if size == "later":
                    while (event := watched.boundary(1)) is not None and event.get("role") != "supervisor":
                        pass
                    _fill(ballast)
                code, said = watched.end()
            traces.look()
            result.figures |= {"size": size, "exit": code}
            if code != 2:
                result.wrong.append(f"exit {code}, not 2: {said[-400:]}")
            if "No space left on device" not in said:
                result.wrong.append(f"the message does not say what it is: {said[-600:]}")
            if "Traceback" in said:
                result.wrong.append(f"a traceback: {said[-400:]}")
            result.wrong += [f"after the rollback: {item}" for item in traces.left(AFTER_FAILURE)]
            result.wrong += _down(testbed, traces)
            ballast.unlink(missing_ok=True)
            subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", str(place)], check=True)
            result.wrong += _works(testbed, traces)
        return result


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def _state_is_garbage(testbed: Testbed) -> None:
    testbed.environment.state.write_text('{"kind": "local", "env_id": "')


def _state_is_gone(testbed: Testbed) -> None:
    testbed.environment.state.unlink()


def _secrets_are_gone(testbed: Testbed) -> None:
    shutil.rmtree(testbed.environment.secrets)


def _configuration_is_gone(testbed: Testbed) -> None:
    shutil.rmtree(testbed.environment.config)


def _data_are_gone(testbed: Testbed) -> None:
    state = read_json(testbed.environment.state) or {}
    for folder in [*state["outside"], testbed.environment.data]:
        shutil.rmtree(folder)


def _logs_are_a_file(testbed: Testbed) -> None:
    shutil.rmtree(testbed.environment.logs)
    testbed.environment.logs.write_text("in the way")


def _a_cluster_was_half_made(testbed: Testbed) -> None:
    """As after a power cut within initdb: nothing runs."""
    state = read_json(testbed.environment.state) or {}
    processes.end_all(processes.ENV_MARK, state["env_id"])
    cluster = Path(state["outside"][0]) / "postgres" if state["outside"] else testbed.environment.data / "postgres"
    processes.remove_shared_memory(processes.segments_of(cluster))  # no power cut leaves any
    shutil.rmtree(cluster)
    (cluster.with_name("postgres.new") / "base").mkdir(parents=True)
    cluster.mkdir()
    (cluster / "postgresql.conf").write_text("half")


HALVES: dict[str, Callable[[Testbed], None]] = {
    "state garbage": _state_is_garbage, "state gone": _state_is_gone, "secrets gone": _secrets_are_gone,
    "configuration gone": _configuration_is_gone, "data gone": _data_are_gone, "logs a file": _logs_are_a_file,
    "cluster half-made": _a_cluster_was_half_made,
}  # fmt: skip


def half(spoil: Callable[[Testbed], None], share: Share, _: random.Random) -> Result:
    """A running environment loses a part. `up` mends it or says what is wrong; `down` removes all of it."""
    testbed = Testbed()
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        testbed.ready()
        traces.look()
        spoil(testbed)
        if share.number % 2:  # every other trial goes straight to `down`
            done = testbed.command("up")
            result.figures["up"] = done.returncode
            if done.returncode not in (0, 2) or "Traceback" in done.stderr or "unexpected" in done.stderr:
                result.wrong.append(f"up: exit {done.returncode}: {done.stderr[-500:]}")
            traces.look()
        result.wrong += _down(testbed, traces)
        return result if share.number % 2 else Result(result.wrong + _works(testbed, traces), result.figures)


def stale_pids(_: Share, __: random.Random) -> Result:
    """Everything was killed at once, and meanwhile the pids in the pid files belong to somebody else."""
    testbed = Testbed()
    with finally_do(testbed.close), _bystander() as other:
        traces, result = Traces(testbed.environment), Result()
        testbed.ready()
        state = traces.look() or {}
        processes.end_all(processes.ENV_MARK, state["env_id"])
        cluster = Path(state["outside"][0]) / "postgres" if state["outside"] else testbed.environment.data / "postgres"
        lock = cluster / "postmaster.pid"
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        (testbed.environment.config / "supervisord.pid").write_text(f"{other.pid}\n")
        done = testbed.command("up")
        result.figures["up"] = done.returncode
        if done.returncode or testbed.status()["state"] != "ready":
            result.wrong.append(f"up: exit {done.returncode}: {done.stderr[-600:]}")
        traces.look()
        result.wrong += _down(testbed, traces)
        if other.poll() is not None:
            result.wrong.append("the process that has the pid now was killed")
        return result


def foreign_files(name: str, _: Share, __: random.Random) -> Result:
    """Something of root's stands where an unprivileged user's environment wants to be."""
    if os.geteuid() != 0:
        return Result(figures={"skipped": "needs root, to be two users"})
    root = Path(tempfile.mkdtemp(prefix="testbed-drill-", dir="/var/tmp"))
    owner = pwd.getpwnam("nobody")
    os.chown(root, owner.pw_uid, owner.pw_gid)
    program = program_for("nobody")
    if program is None:
        root.rmdir()
        return Result(figures={"skipped": "user nobody can run neither this checkout nor wheels of it"})
    testbed = Testbed(program, root, "nobody")
    with finally_do(testbed.close):
        traces, result = Traces(testbed.environment), Result()
        foreign = testbed.environment.root / name
        for folder in reversed([item for item in foreign.parents if item.is_relative_to(root)]):
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
                os.chown(folder, owner.pw_uid, owner.pw_gid)
        if foreign.suffix:
            foreign.write_text("{}")
            foreign.chmod(0o600)
        else:
            foreign.mkdir(mode=0o700)
            (foreign / "something of root").write_text("mine")
        done = testbed.command("up")
        traces.look()
        result.figures |= {"exit": done.returncode}
        if done.returncode == 0:
            result.wrong.append("up ended with 0")
        if str(foreign) not in done.stderr or "Traceback" in done.stderr:
            result.wrong.append(f"the message does not name {name}: {done.stderr[-500:]}")
        if found := traces.processes():
            result.wrong.append(f"processes left: {found}")
        gone = testbed.command("down")
        result.figures["down"] = gone.returncode
        if foreign.exists() and (gone.returncode == 0 or str(foreign) not in gone.stderr):
            result.wrong.append(f"down: exit {gone.returncode}, does not name {name}: {gone.stderr[-400:]}")
        if foreign.is_dir():
            shutil.rmtree(foreign)
        else:
            foreign.unlink(missing_ok=True)
        result.wrong += _down(testbed, traces)
        result.wrong += _works(testbed, traces)
        return result


def program_for(account: str) -> list[str] | None:
    """A testbed that this user can run: this checkout's, or where its Python lies under /root, an installed one."""
    user = pwd.getpwnam(account)
    if accounts.works_as(user, [sys.executable, "--version"]):
        return [sys.executable, "-m", "runners"]
    if not _tools:
        folder = Path(tempfile.mkdtemp(prefix="testbed-drill-tool-", dir="/var/tmp"))
        folder.chmod(0o755)
        _tools.append(folder)
        distributions.build(distributions.ROOT, folder / "dist", offline=False)
        distributions.install(folder / "dist", folder / "tool", platform=True, python="/usr/bin/python3", offline=False)
    python = str(_tools[0] / "tool" / "bin" / "python")
    return [python, "-m", "runners"] if accounts.works_as(user, [python, "--version"]) else None


def forget_tools() -> None:
    """Remove what `program_for` has installed."""
    while _tools:
        shutil.rmtree(_tools.pop(), ignore_errors=True)


_tools: list[Path] = []


def _down(testbed: Testbed, traces: Traces) -> list[str]:
    done = testbed.command("down")
    wrong = [f"down: exit {done.returncode}: {done.stderr[-400:]}"] if done.returncode else []
    return wrong + [f"after down: {item}" for item in traces.left()]


def _works(testbed: Testbed, traces: Traces) -> list[str]:
    done = testbed.command("up")
    traces.look()
    wrong = [f"a second up: exit {done.returncode}: {done.stderr[-500:]}"] if done.returncode else []
    return wrong + _down(testbed, traces)


def _end(testbed: Testbed) -> None:
    testbed.command("down", "--force")


@contextmanager
def _small_disk(size: str) -> Iterator[Path]:
    """A file system in memory, which every user may pass: PostgreSQL's data shall lie on it, too."""
    place = Path(tempfile.mkdtemp(prefix="testbed-drill-"))
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "testbed-drill", str(place)], check=True
        )
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", str(place)], check=False)
    finally:
        place.rmdir()


@contextmanager
def _bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the testbed, of the user whom PostgreSQL runs as."""
    account = accounts.unprivileged()
    process = subprocess.Popen(["sleep", "600"], user=None if account is None else account.pw_uid, cwd="/")
    try:
        yield process
    finally:
        proc.kill(process.pid, signal.SIGKILL)
        process.wait()


def _case(act: Callable[..., Result], argument: object) -> Callable[[Share, random.Random], Result]:
    return lambda share, rng: act(argument, share, rng)


CASES: dict[str, Callable[[Share, random.Random], Result]] = {
    **{f"bad disk {size}": _case(full_disk, size) for size in ("512k", "24m", "later")},
    **{f"bad half: {name}": _case(half, spoil) for name, spoil in HALVES.items()},
    "bad stale pids": stale_pids,
    **{
        f"bad foreign {name}": _case(foreign_files, name)
        for name in ("config", "state.json", "data", "logs", "secrets")
    },
}

# Once with an `up` in between, once straight to `down`.
TWICE = frozenset(f"bad half: {name}" for name in HALVES)
