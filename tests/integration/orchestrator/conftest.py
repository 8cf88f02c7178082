from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.lib.home import Home
from tests.integration.orchestrator.harness import fake_suites_importable


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A fresh home, whose campaigns may use the fake suite."""
    with fake_suites_importable():
        place = Home(tmp_path / "home")
        place.create()
        yield place
