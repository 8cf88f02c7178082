"""`python -m runners.e2e`: the process of an end-to-end stage."""

from __future__ import annotations

import sys

from runners.e2e.run import run
from runners.suite import run_suite

if __name__ == "__main__":
    sys.exit(run_suite({"run": run}))
