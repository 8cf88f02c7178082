"""`python -m runners.datagen`: the suite `data` with its actions generate, resume, audit and score."""

from __future__ import annotations

import sys

from runners.lib.lasting import lasting

if __name__ == "__main__":
    with lasting():
        from runners.datagen.actions import audit, generate, resume, score
        from runners.suite import run_suite
    sys.exit(run_suite({"generate": generate, "resume": resume, "audit": audit, "score": score}))
