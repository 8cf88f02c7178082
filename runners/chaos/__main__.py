"""`python -m runners.chaos`: the process of a chaos stage."""

import sys

from runners.chaos.engine import run
from runners.suite import run_suite

if __name__ == "__main__":
    sys.exit(run_suite({"run": run}))
