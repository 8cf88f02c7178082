"""Errors that a person is meant to read: what happened, where, what to do, and the exit code that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_INVALID = 2
EXIT_ERROR = 3
EXIT_USAGE = 64
EXIT_CANCELLED = 130


class TestbedError(Exception):
    """Something went wrong that the reader can act on. Never shown with a traceback unless `-v` asks for one.

    what: one sentence. file, line: where (line counts from 1). remedy: one sentence in the imperative.
    """

    __test__ = False  # the name begins with "Test": pytest must not collect it
    exit_code = EXIT_ERROR

    def __init__(
        self, what: str, *, file: Path | str | None = None, line: int | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what)
        self.what, self.line, self.remedy = what, line, remedy
        self.file = None if file is None else str(file)

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{where}{self.what}" + (f"\n  → {self.remedy}" if self.remedy else "")


class FileError(TestbedError):
    """A campaign, scenario, experiment, inventory or target file is missing or malformed: exit 2, nothing started."""

    exit_code = EXIT_INVALID


class NotReady(TestbedError):
    """The environment (or this machine) cannot do what was asked: exit 2, nothing started."""

    exit_code = EXIT_INVALID


class Leased(NotReady):
    """Another run drives the environment."""


class UsageError(TestbedError):
    """Wrong command line: exit 64."""

    exit_code = EXIT_USAGE


class Cancelled(TestbedError):
    """The user cancelled: exit 130."""

    exit_code = EXIT_CANCELLED
