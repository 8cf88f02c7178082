"""Script of the coordinator's process: `start_coordinator.py HOME RUN LOCK_FD`."""

import sys

sys.path[0] = sys.path[0].removesuffix("/runners/orchestrator")  # the folder that holds `runners`, not this one

from runners.orchestrator.coordinator import main  # noqa: E402  (only now can it be found)

if __name__ == "__main__":
    main(sys.argv[1:])
