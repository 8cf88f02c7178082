"""Start one service so that it cannot outlive its supervisor: `launch.py [--user NAME] [--signal NAME] [--file PATTERN]… --log
FILE -- ARGV`.

A script of its own, run with `python -I -S` for a start of some ten milliseconds: it opens the log (before it drops
privileges, so that the service's user need not reach the folder), becomes the user, asks the kernel for a signal when
the parent dies, and becomes the service by exec. The order matters: changing credentials clears PR_SET_PDEATHSIG
(prctl(2)), and a parent that died before the call is told by its pid alone.

What its configuration (`--file`) was when it started, the service's environment tells: somebody may have edited a file since,
or may have taken an edit back, and the process goes on with what it read.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PARENT = "TESTBED_SUPERVISOR_PID"
HASH = "TESTBED_CONFIG_HASH"
EXIT_ORPHAN = 75  # EX_TEMPFAIL: the supervisor went away while this was starting


def main(arguments: list[str]) -> int:
    """Never returns when all goes well."""
    split = arguments.index("--")
    pairs, command = arguments[:split], arguments[split + 1 :]
    options = dict(zip(pairs[::2], pairs[1::2], strict=True))
    if files := [value for name, value in zip(pairs[::2], pairs[1::2], strict=True) if name == "--file"]:
        os.environ[HASH] = fingerprint(files)
    if "--log" in options:
        log = os.open(options["--log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    if "--user" in options:
        _become(options["--user"])
    number = signal.Signals["SIG" + options.get("--signal", "KILL")]
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)  # a shell's background job ignores INT and QUIT, and so would the service
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        return EXIT_ORPHAN
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        return EXIT_ORPHAN
    os.chdir("/")
    try:
        os.execv(command[0], command)  # noqa: S606  (no shell is what we want)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def matches(pattern: str) -> list[str]:
    """The files of this name, else those that match it, in order."""
    if Path(pattern).exists():
        return [pattern]
    import glob

    return sorted(glob.glob(pattern))  # noqa: PTH207  (the pattern is absolute)


def fingerprint(patterns: list[str]) -> str:
    """Of the contents of these files, each given by its name or a pattern; what cannot be read counts as empty."""
    found = ""
    for pattern in patterns:
        total = hashlib.sha256()
        for path in matches(pattern):
            try:
                total.update(Path(path).read_bytes())
            except OSError:
                continue
        found += total.hexdigest()[:16]
    return found


def _become(name: str) -> None:
    import pwd

    account = pwd.getpwnam(name)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = "/"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
