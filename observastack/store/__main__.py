"""`python -m observastack.store --config FILE migrate`."""

from __future__ import annotations

import argparse
import sys

from observastack import config as configuration
from observastack.errors import EXIT_NOT_READY, PlatformError


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="observastack.store", description="Maintain the embedded signal store.")
    parser.add_argument("--config", required=True, metavar="FILE", help="configuration of the platform (JSON)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="create or update roles, schema, tenants and users; idempotent")
    options = parser.parse_args(arguments)
    from observastack.store.migrate import migrate

    try:
        config = configuration.load(options.config)
        done = migrate(config)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY
    made = "created" if done.created_database else "up to date"
    print(f"database {config.database.name} {made}; {done.tenants} tenants, {done.users} users")
    return 0


if __name__ == "__main__":
    sys.exit(main())
