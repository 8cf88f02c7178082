"""What the command costs before it does anything."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.perf.harness import Round, case


def _cpu_of_child(arguments: Sequence[str]) -> float:
    """CPU seconds, user and system, of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@case("help_cost", unit="s CPU", against="python -c pass", at_most=5)
def help_cost(quick: bool) -> Iterator[Round]:
    """`testbed --help`: completion scripts and impatient people call it."""
    _cpu_of_child(["-m", "runners", "--help"])  # compiles what was edited
    for _ in range(3 if quick else 15):
        yield Round(_cpu_of_child(["-m", "runners", "--help"]), _cpu_of_child(["-c", "pass"]))
