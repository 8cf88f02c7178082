"""Environments of containers: their facts, what compose is asked to do, and what the engine says of them.

`docker compose` starts and replaces, because it knows how; the Docker SDK reads and removes, because it returns data.
"""
