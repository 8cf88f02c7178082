"""Errors that a person is meant to read: what happened, where, what to do about it."""

from __future__ import annotations

from pathlib import Path

EXIT_NOT_READY = 2
"""Exit code of a process that cannot start as configured."""


class PlatformError(Exception):
    """The platform cannot start or do what was asked. Printed without a traceback; exit code 2.

    what: one sentence. file: where the cause is written down. remedy: one sentence in the imperative.
    """

    def __init__(self, what: str, *, file: Path | str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what, self.file, self.remedy = what, None if file is None else str(file), remedy

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}: "
        return f"{where}{self.what}" + (f"\n  → {self.remedy}" if self.remedy else "")


class ConfigError(PlatformError):
    """The configuration file is missing, unreadable or wrong."""
