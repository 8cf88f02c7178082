"""`python -m observastack.store --config FILE migrate | prune --days N`."""

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
    retention = commands.add_parser("prune", help="drop day partitions and idempotency keys that are too old")
    retention.add_argument("--days", type=_days, required=True, metavar="N", help="whole days to keep")
    options = parser.parse_args(arguments)
    from observastack.store.migrate import migrate
    from observastack.store.prune import prune

    try:
        config = configuration.load(options.config)
        if options.command == "prune":
            pruned = prune(config, options.days)
            shorter = f", {pruned.items} items of tenants with a shorter retention" if pruned.items else ""
            print(f"{len(pruned.partitions)} partitions and {pruned.keys} idempotency keys dropped{shorter}")
            return 0
        done = migrate(config)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY
    made = "created" if done.created_database else "up to date"
    print(f"database {config.database.name} {made}; {done.tenants} tenants, {done.users} users")
    return 0


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise ValueError("at least one day is kept")
    return days


if __name__ == "__main__":
    sys.exit(main())
