"""The temporary folder of one browser: profile, downloads, and traces as they are recorded, passwords and tokens included.

Playwright leaves folders behind, and a killed runner everything. So a browser gets a folder of its own, which goes with it;
what a killed one left goes when the next one starts. It lies in the machine's temporary folder, because the path of
Chromium's socket must be short (108 bytes, unix(7)).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "testbed-browser-"
_LOCK = "lock"
LONGEST = 32
"""Characters of the path above, so that 108 hold the socket's."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """The folder, mode 0700, as TMPDIR of every process that is started inside; its lock says that somebody needs it."""
    top = Path(tempfile.gettempdir())
    if len(str(top)) > LONGEST:
        top = Path("/tmp")  # noqa: S108 - mkdtemp makes the folder in it, with a name and mode of its own
    sweep(top)
    # Locked before it has the name by which others look for folders that nobody needs.
    draft = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=top))
    with (draft / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = draft.rename(top / draft.name[1:])
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = str(folder)
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before
            shutil.rmtree(folder, ignore_errors=True)


def sweep(top: Path) -> None:
    """Remove the folders of this user that no live process holds."""
    for folder in top.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid != os.geteuid() or folder.is_symlink():
                continue
            with (folder / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
