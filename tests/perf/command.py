"""What the command costs before it does anything."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

from tests.perf.harness import Round, case


def _cpu_of_child(arguments: Sequence[str], cache: str) -> float:
    """CPU seconds, user and system, of one process. cache: folder of its compiled modules, wherever this may not write any:
    a compiler at work in each call is not what people wait for."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@case("help_cost", unit="s CPU", against="python -c pass", at_most=5)
def help_cost(quick: bool) -> Iterator[Round]:
    """`testbed --help`: completion scripts and impatient people call it."""
    ours, reference = ["-m", "runners", "--help"], ["-c", "pass"]
    with tempfile.TemporaryDirectory() as cache:
        for arguments in (ours, reference):
            _cpu_of_child(arguments, cache)  # compiles
        for _ in range(3 if quick else 15):
            yield Round(_cpu_of_child(ours, cache), _cpu_of_child(reference, cache))
