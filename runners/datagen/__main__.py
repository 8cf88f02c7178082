"""`python -m runners.datagen`: the suite `data` with its actions generate, audit and score."""

from __future__ import annotations

import sys

from runners.datagen.actions import audit, generate, score
from runners.suite import run_suite

if __name__ == "__main__":
    sys.exit(run_suite({"generate": generate, "audit": audit, "score": score}))
