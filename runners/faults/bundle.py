"""The agent as one file that any Python 3.11 runs: this package and runners.lib, zipped. The same bytes for the same code."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("faults", "lib")
_MAIN = "import sys\nfrom runners.faults.agent import main\nsys.exit(main())\n"


@cache
def agent() -> tuple[str, bytes]:
    """(file name, content); the name tells the content, so that a running agent's file is never replaced."""
    sources = {"__main__.py": _MAIN.encode(), "runners/__init__.py": b""}
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            sources[f"runners/{path.relative_to(_ROOT).as_posix()}"] = path.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sources.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # dated 1980: the same bytes again
    content = buffer.getvalue()
    return f"agent-{hashlib.sha256(content).hexdigest()[:16]}.pyz", content
