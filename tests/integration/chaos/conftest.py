from collections.abc import Iterator

import pytest

from tests.supervised import Supervised, supervised


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """One supervisord with its services for a module; every test leaves it as it was."""
    with supervised(tmp_path_factory.mktemp("stand")) as found:
        yield found
