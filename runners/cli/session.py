"""What every command gets: the home, the chosen environment, and how to speak to the user."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from runners.lib.errors import UsageError
from runners.lib.home import Home, find_home


@dataclass(frozen=True)
class Session:
    """home: where state lies; db: URL or None for the home's SQLite; overrides: `--set` as given, not yet checked."""

    home: Home
    db: str | None = None
    env: str | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: bool = False

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> Session:
        """Raises UsageError for a `--set` without `=`."""
        overrides: dict[str, str] = {}
        for item in args.set:
            key, equals, value = item.partition("=")
            if not equals:
                raise UsageError(f"--set {item}: a value is missing", remedy="write --set key=value")
            overrides[key.strip()] = value.strip()
        color = args.color == "auto" and "NO_COLOR" not in os.environ and sys.stdout.isatty()
        return cls(
            Home(find_home(args.home)), args.db, args.env, overrides, args.json, args.quiet, args.verbose, color
        )  # fmt: skip

    @property
    def results_url(self) -> str:
        return self.db or self.home.results_url

    def environment_name(self, argument: str | None = None) -> str:
        """A positional ENV wins over `--env`; the default is `local`."""
        return argument or self.env or "local"

    def result(self, document: Any, text: str) -> None:
        """The result of a query: one JSON document on one line, or text for people."""
        print(json.dumps(document, ensure_ascii=False, default=str) if self.json else text, flush=True)

    def event(self, event: dict[str, Any]) -> None:
        """One event of something that runs, with `--json`; otherwise nothing (say it with `say`)."""
        if self.json:
            print(json.dumps(event, ensure_ascii=False, default=str), flush=True)

    def say(self, message: str) -> None:
        """Progress and messages, on stderr; silent with `-q`."""
        if not self.quiet:
            print(message, file=sys.stderr, flush=True)

    @property
    def interactive(self) -> bool:
        """May a progress line be redrawn in place?"""
        return sys.stderr.isatty() and not self.json and not self.quiet
