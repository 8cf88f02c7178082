"""What a command that only reads is doing just now: redrawn in one line on a terminal, a line each with -v, else nothing."""

from __future__ import annotations

import shutil
import sys
from typing import Self

from runners.cli.session import Session
from runners.lib.text import one_line


class LiveLine:
    """Call it with what is being done; leaving it leaves the terminal clean."""

    def __init__(self, session: Session) -> None:
        self._session, self._drawn = session, False

    def __call__(self, text: str) -> None:
        if self._session.verbose:
            self._session.say(text)
        elif self._session.interactive:
            self._wipe()
            sys.stderr.write(one_line(f"… {text}", shutil.get_terminal_size().columns - 1))
            sys.stderr.flush()
            self._drawn = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wipe()

    def _wipe(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False
