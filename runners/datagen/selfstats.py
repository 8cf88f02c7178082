"""What the generator itself costs: processor time and memory of this process."""

from __future__ import annotations

import resource
import time


def cpu_s() -> float:
    """Processor seconds of all threads so far."""
    return time.process_time()


def rss_mb() -> float:
    """The largest resident set so far, in megabytes (10^6 bytes). Linux reports ru_maxrss in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
