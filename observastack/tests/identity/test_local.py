"""The contract of identity on the platform's own issuer."""

from __future__ import annotations

import pytest

from observastack.tests.identity.conftest import Platform
from observastack.tests.identity.contract import *  # noqa: F403 - its tests run here, too
from observastack.tests.identity.flows import *  # noqa: F403


@pytest.fixture(scope="session")
def platform(local_platform: Platform) -> Platform:
    return local_platform
