"""`python -m runners` is `testbed`."""

from runners.cli.main import run

run()
