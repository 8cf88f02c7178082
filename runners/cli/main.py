"""Entry point of `testbed`: global options, errors as sentences, exit codes. Imports nothing heavy: `--help` is cheap."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from runners.cli.session import Session
from runners.lib.errors import EXIT_CANCELLED, EXIT_ERROR, EXIT_INVALID, EXIT_USAGE, TestbedError, UsageError

Run = Callable[[Session, argparse.Namespace], int]

_GLOBAL = ("home", "db", "env", "set", "json", "quiet", "verbose", "color")
_EPILOG = """\
examples:
  testbed up                          provision the environment 'local'
  testbed run smoke                   telemetry, users and one crash; nothing may be lost
  testbed report last -o report/      the page that says what happened
  testbed run drill --up --set defects=drop_acked_1pct
  testbed down                        leave nothing behind

exit codes: 0 passed · 1 failed · 2 invalid or not ready · 3 error · 64 wrong command line · 130 cancelled
"""

# The order of `--help`. Each module registers its commands; all are cheap to import.
_MODULES = ("environment", "campaign", "data", "load", "chaos", "e2e", "results", "tui", "config")


class _Collect(argparse.Action):
    """Adds to one list for the whole command line: argparse would let what stands after the command replace the rest."""

    def __call__(self, _parser: object, namespace: argparse.Namespace, values: object, _option: object = None) -> None:
        self.const.append(values)
        setattr(namespace, self.dest, self.const)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal; argparse would import the archive modules of shutil to find out."""

    def __init__(self, prog: str) -> None:
        given = os.environ.get("COLUMNS", "")
        try:
            columns = int(given) if given.isdecimal() else os.get_terminal_size().columns
        except OSError:
            columns = 80
        super().__init__(prog, width=columns - 2)


class _Parser(argparse.ArgumentParser):
    """argparse with exit code 64 and the nearest command on a typing error."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, remedy=f"see {self.prog} --help")


def global_options(collected: list[str], *, suppress: bool) -> _Parser:
    """Options that are accepted before and after the command. suppress: a second copy that keeps what the first found.

    collected: where all `--set` of the command line go.
    """

    def default(value: object) -> object:
        return argparse.SUPPRESS if suppress else value

    options = _Parser(add_help=False)
    group = options.add_argument_group("global options")
    env = os.environ.get
    group.add_argument(
        "--home",
        metavar="DIR",
        default=default(None),
        help="state folder (TESTBED_HOME; default: nearest .testbed upwards)",
    )
    group.add_argument(
        "--db",
        metavar="URL",
        default=default(env("TESTBED_DB")),
        help="results database, any SQLAlchemy URL (TESTBED_DB)",
    )
    group.add_argument(
        "--env", metavar="NAME", default=default(env("TESTBED_ENV")), help="environment (TESTBED_ENV; default: local)"
    )
    group.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action=_Collect,
        const=collected,
        default=default(collected),
        help="set one configuration key; repeatable (TESTBED_SET: several, separated by blanks)",
    )
    group.add_argument(
        "--json",
        action="store_true",
        default=default(_switched_on("TESTBED_JSON")),
        help="machine-readable output on stdout",
    )
    group.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=default(_switched_on("TESTBED_QUIET")),
        help="results only",
    )
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=default(_switched_on("TESTBED_VERBOSE")),
        help="more detail, tracebacks",
    )
    group.add_argument(
        "--color",
        choices=("auto", "never"),
        default=default(env("TESTBED_COLOR", "auto")),
        help="NO_COLOR is honoured too",
    )
    return options


def _switched_on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in ("", "0", "false", "no", "off")


class Commands:
    """Where command modules register; `add` makes one command (or a subcommand of a group)."""

    def __init__(self, parser: argparse.ArgumentParser, trailing: Sequence[_Parser]) -> None:
        """trailing: the options that every command accepts; none when only names and summaries are wanted."""
        self._sub = parser.add_subparsers(metavar="COMMAND", required=False, parser_class=_Parser)
        self._trailing = trailing

    def add(self, name: str, run: Run, help: str, *, examples: str = "") -> argparse.ArgumentParser:
        """A command: `run(session, args)` returns the exit code. examples: one a line, shown under `--help`."""
        epilog = "examples:\n" + "\n".join("  " + line for line in examples.strip().splitlines()) if examples else None
        parser = self._sub.add_parser(
            name, help=help, description=help, epilog=epilog, parents=self._trailing, allow_abbrev=False
        )
        parser.set_defaults(run=run)
        return parser

    def group(self, name: str, help: str) -> Commands:
        """A command with subcommands, such as `data generate`."""
        parser = self._sub.add_parser(name, help=help, description=help, parents=self._trailing, allow_abbrev=False)
        parser.set_defaults(run=None, group=parser)
        return Commands(parser, self._trailing)


def build_parser(modules: Sequence[str] = _MODULES, *, brief: bool = False) -> argparse.ArgumentParser:
    """The whole command line. brief: enough for `testbed --help`, at half the cost."""
    collected = os.environ.get("TESTBED_SET", "").split()
    parser = _Parser(
        prog="testbed", description="One control center for testing an observability platform.", epilog=_EPILOG,
        parents=[global_options(collected, suppress=False)], allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.set_defaults(run=None, group=parser)
    commands = Commands(parser, [] if brief else [global_options(collected, suppress=True)])
    for name in modules:
        importlib.import_module(f"runners.cli.commands.{name}").register(commands)
    return parser


def _signed_values(arguments: Sequence[str]) -> list[str]:
    """`--sort -started` as `--sort=-started`: argparse takes a value that begins with a dash for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--sort" and argument.startswith("-") and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = any(flag in arguments for flag in ("-v", "--verbose"))
    try:
        if not sys.platform.startswith("linux"):
            raise TestbedError(
                "Linux 5.3 or newer is needed: the testbed relies on pidfds and open-file-description locks"
            )
        args = build_parser(brief=arguments in (["--help"], ["-h"])).parse_args(_signed_values(arguments))
        verbose = args.verbose
        if args.version:
            from importlib.metadata import version

            print(version("observastack-testbed"))
            return 0
        if args.run is None:
            args.group.print_help(sys.stderr if arguments else sys.stdout)
            return EXIT_USAGE if arguments else 0
        session = Session.from_arguments(args)
        session.typed = arguments
        _recover(session)
        return int(args.run(session, args))
    except TestbedError as error:
        if verbose:
            import traceback

            traceback.print_exc()
        print(f"testbed: {error}", file=sys.stderr)
        return error.exit_code if sys.platform.startswith("linux") else EXIT_INVALID
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read us is gone: no message at interpreter exit either
        return 128 + 13  # as a shell reports SIGPIPE
    except OSError as error:
        if verbose or not error.strerror:
            raise
        where = f"{error.filename}: " if error.filename else ""  # a folder that is not ours, a full disk
        print(f"testbed: {where}{error.strerror}\n  → run again with -v for the traceback", file=sys.stderr)
        return EXIT_ERROR
    except Exception as error:
        if verbose:
            raise
        print(
            f"testbed: unexpected {type(error).__name__}: {error}\n  → run again with -v for the traceback",
            file=sys.stderr,
        )
        return EXIT_ERROR


def _recover(session: Session) -> None:
    """What died since the last command: its campaigns get their coordinators back, its faults are reverted.

    One directory scan each when there is nothing to do. A recovery that fails must not keep the user from `doctor`,
    `cancel` or `down`, so it only says so.
    """
    try:
        if any(session.home.live.glob("*")):
            from runners.orchestrator.reconcile import reconcile

            for revived in reconcile(session.home):
                session.say(f"run {revived} had lost its coordinator: it goes on")
        if any(session.home.root.glob("env/*/chaos/journal/*.json")):
            from runners.faults.recover import recover_orphans

            for record in recover_orphans(session.home):
                session.say(f"fault {record.fault} of {record.target} had lost its watchdog: {record.state.lower()}")
    except (OSError, TestbedError) as error:
        session.say(f"recovery postponed: {error}")


def run() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
