"""One backend for the tests that only read and write their own items; tests that break something start their own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from observastack.config import Config
from observastack.tests.backend.serving import SECOND, Backend, Store, backend
from observastack.tests.platform import build_platform


@pytest.fixture(scope="session")
def served_config(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Config:
    return build_platform(tmp_path_factory.mktemp("platform"), postgres, redis)


@pytest.fixture(scope="session")
def served(served_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with backend(served_config, tmp_path_factory.mktemp("backend")) as running:
        yield running


@pytest.fixture(scope="session")
def store(served_config: Config) -> Iterator[Store]:
    store = Store(served_config)
    yield store
    store.close()


_era = iter(range(1, 1000))


@pytest.fixture
def era() -> int:
    """A time (ns) of this test's own: hours away from every other test's items, within the last month."""
    return (time.time_ns() // (3600 * SECOND) - 6 * next(_era)) * 3600 * SECOND
