"""The shipped profile describes what the shipped scenarios and the audit ask for."""

import pytest

from runners.config import lookup
from runners.load import scenario
from runners.target import profile

LOCAL = lookup.PROJECT / "inventories" / "local" / "target.yml"


@pytest.mark.parametrize("name", scenario.load(lookup.find("scenarios", "browse")).operations)
def test_every_operation_of_the_load_is_described(name: str) -> None:
    described = profile.load(LOCAL).operations[name]
    assert described is not None
    assert described.items is not None or name == "auth.login"


def test_writing_is_idempotent_and_readiness_is_required() -> None:
    local = profile.load(LOCAL)
    assert local.ingest.idempotency == "honoured"
    assert {"auth.login", "health.ready"} <= set(local.required)
