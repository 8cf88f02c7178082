"""Start one service so that it cannot outlive its supervisor: `launch.py [--user NAME] [--signal NAME] --log FILE -- ARGV`.

A script of its own, run with `python -I -S` for a start of some ten milliseconds: it opens the log (before it drops
privileges, so that the service's user need not reach the folder), becomes the user, asks the kernel for a signal when
the parent dies, and becomes the service by exec. The order matters: changing credentials clears PR_SET_PDEATHSIG
(prctl(2)), and a parent that died before the call is told by its pid alone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PARENT = "TESTBED_SUPERVISOR_PID"
EXIT_ORPHAN = 75  # EX_TEMPFAIL: the supervisor went away while this was starting


def main(arguments: list[str]) -> int:
    """Never returns when all goes well."""
    split = arguments.index("--")
    pairs, command = arguments[:split], arguments[split + 1 :]
    options = dict(zip(pairs[::2], pairs[1::2], strict=True))
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


def _become(name: str) -> None:
    import pwd

    account = pwd.getpwnam(name)
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = "/"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
