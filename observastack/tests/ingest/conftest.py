"""Fixtures of the gateway's tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from observastack.config import Config
from observastack.tests.gateway import Gateway, Reader, running_gateway
from observastack.tests.platform import build_platform


@pytest.fixture(scope="module")
def shared_platform(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Config:
    """One platform for the tests of a module; each test has a `tenant` of its own in it."""
    return build_platform(tmp_path_factory.mktemp("platform"), postgres)


@pytest.fixture(scope="module")
def shared_gateway(shared_platform: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(shared_platform, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def tenant(shared_platform: Config) -> str:
    """A tenant that has stored nothing yet."""
    key = f"t-{uuid.uuid4().hex}"
    with psycopg.connect(**shared_platform.database.connection("app")) as connection:
        connection.execute("INSERT INTO tenants(key, name) VALUES (%s, %s)", (key, key))
    return key


@pytest.fixture
def gateway(platform_config: Config, tmp_path: Path) -> Iterator[Gateway]:
    """A ready gateway on `platform_config`."""
    with running_gateway(platform_config, tmp_path) as running:
        yield running


@pytest.fixture
def reader(platform_config: Config) -> Reader:
    return Reader(platform_config)
