"""Fixtures of the platform's tests: real PostgreSQL and Redis, a configured platform, tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from observastack.config import Config
from observastack.tests.platform import Tokens, build_platform
from tests.servers import postgres_server, redis_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL for the session; every platform makes a database of its own in it."""
    try:
        server = postgres_server()
        url = server.__enter__()
    except FileNotFoundError as reason:
        pytest.skip(str(reason))
    yield url
    server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """URL of a Redis for the session."""
    try:
        server = redis_server()
        url = server.__enter__()
    except FileNotFoundError as reason:
        pytest.skip(str(reason))
    yield url
    server.__exit__(None, None, None)


@pytest.fixture
def make_platform(tmp_path: Path, postgres: str) -> Callable[..., Config]:
    """build_platform() in this test's folder; keyword arguments change keys: `make_platform(redis={"port": …})`."""

    def make(**changes: Any) -> Config:
        return build_platform(tmp_path, postgres, None, **changes)

    return make


@pytest.fixture
def platform_config(make_platform: Callable[..., Config]) -> Config:
    """A migrated platform: no defects, all test identities."""
    return make_platform()


@pytest.fixture
def tokens(platform_config: Config) -> Tokens:
    """Mints tokens for the identities of `platform_config`: `tokens("acme", ("viewer",))`."""
    return Tokens(platform_config)
