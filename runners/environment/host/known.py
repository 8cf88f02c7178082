"""What configuration a process was started with, against the one that its program's section names."""

from __future__ import annotations

import re
from pathlib import Path

from runners.environment.host.launch import HASH
from runners.lib import proc


def started_with(pid: int) -> str | None:
    """The hash of the files that a process was started with (see launch.py); None when it cannot be read any more."""
    mark = f"{HASH}=".encode()
    return next((entry[len(mark) :].decode() for entry in proc.environ(pid) if entry.startswith(mark)), None)


def section_hash(section: Path) -> str | None:
    """The hash of the files as they were provisioned, from the program's section for supervisord."""
    try:
        found = re.search(rf'{HASH}="(\w*)"', section.read_text())
    except OSError:
        return None
    return found[1] if found else None
