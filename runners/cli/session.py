"""What every command gets: the home, the chosen environment, and how to speak to the user.

`--help` loads this module, so it imports nothing that costs: a dataclass alone would double that command's CPU.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from runners.lib.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from runners.lib.home import Home


class Session:
    """home: where state lies; db: URL or None for the home's SQLite; overrides: `--set` as given, not yet checked;
    typed: the command line, without the program."""

    def __init__(
        self,
        home: Home,
        db: str | None = None,
        env: str | None = None,
        overrides: dict[str, str] | None = None,
        *,
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        color: bool = False,
    ) -> None:
        self.home, self.db, self.env = home, db, env
        self.overrides = overrides or {}
        self.json, self.quiet, self.verbose, self.color = json, quiet, verbose, color
        self.typed: list[str] = []

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> Session:
        """Raises UsageError for a `--set` without `=`, and for a TESTBED_COLOR that is none."""
        from runners.lib.home import Home, find_home

        overrides: dict[str, str] = {}
        for item in args.set:
            key, equals, value = item.partition("=")
            if not equals:
                raise UsageError(f"--set {item}: a value is missing", remedy="write --set key=value")
            overrides[key.strip()] = value.strip()
        if args.color not in ("auto", "never"):  # argparse checks the option, not the variable
            raise UsageError(f"TESTBED_COLOR={args.color}: unknown", remedy="valid: auto, never")
        color = args.color == "auto" and "NO_COLOR" not in os.environ and sys.stdout.isatty()
        return cls(
            Home(find_home(args.home)),
            args.db,
            args.env,
            overrides,
            json=args.json,
            quiet=args.quiet,
            verbose=args.verbose,
            color=color,
        )

    @property
    def results_url(self) -> str:
        return self.db or self.home.results_url

    def environment_name(self, argument: str | None = None) -> str:
        """A positional ENV wins over `--env`; the default is `local`. Raises UsageError for what is no name."""
        name = argument or self.env or "local"
        if name in (".", "..") or "/" in name or "\0" in name:
            raise UsageError(f"'{name}' is not the name of an environment", remedy="a path goes to --inventory")
        return name

    def result(self, document: Any, text: str) -> None:
        """The result of a query: one JSON document on one line, or text for people."""
        print(_json(document) if self.json else text, flush=True)

    def event(self, event: dict[str, Any]) -> None:
        """One event of something that runs, with `--json`; otherwise nothing (say it with `say`)."""
        if self.json:
            print(_json(event), flush=True)

    def say(self, message: str) -> None:
        """Progress and messages, on stderr; silent with `-q`."""
        if not self.quiet:
            print(message, file=sys.stderr, flush=True)

    @property
    def interactive(self) -> bool:
        """May a progress line be redrawn in place?"""
        return sys.stderr.isatty() and not self.json and not self.quiet


def _json(document: Any) -> str:
    import json

    return json.dumps(document, ensure_ascii=False, default=str)
