"""The `testbed` command: parse, call, print."""
