"""What the C library keeps of freed memory.

A password check takes 19 MiB for a moment (argon2). After the first one glibc raises its threshold for separate mappings
above that, takes the next from the heap, and the process keeps about 20 MiB that nobody uses: an eighth of what a backend
with a thousand streams may have. A fixed threshold gives such a block back at once (mallopt(3)).
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
LARGE = 1 << 20


def give_back_large_blocks() -> bool:
    """Whether this C library can be told so; another one is left as it is."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE)) and bool(mallopt(_M_TRIM_THRESHOLD, LARGE))
