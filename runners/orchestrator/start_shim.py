"""Script of the shim's process, run with `python -S -E`: without site-packages it is up in a few hundredths of a second."""

import sys

sys.path[0] = sys.path[0].removesuffix("/runners/orchestrator")  # the folder that holds `runners`, not this one

from runners.orchestrator.shim import main  # noqa: E402  (only now can it be found)

if __name__ == "__main__":
    main(sys.argv[1:])
