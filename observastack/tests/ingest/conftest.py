"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from observastack.config import Config
from observastack.tests.gateway import Gateway, Reader, running_gateway


@pytest.fixture
def gateway(platform_config: Config, tmp_path: Path) -> Iterator[Gateway]:
    """A ready gateway on `platform_config`."""
    with running_gateway(platform_config, tmp_path) as running:
        yield running


@pytest.fixture
def reader(platform_config: Config) -> Reader:
    return Reader(platform_config)
