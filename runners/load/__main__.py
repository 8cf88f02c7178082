"""`python -m runners.load`: the process of a load stage."""

from __future__ import annotations

import sys

from runners.suite import Context, Verdict, run_suite


def _run(context: Context) -> Verdict:
    # Late, because it patches the process: event writer and control reader have started by now, as real threads.
    from runners.load.run import run

    return run(context)


if __name__ == "__main__":
    sys.exit(run_suite({"run": _run}))
