"""The tenant marks of telemetry, wherever an answer shows them."""

import pytest

from runners.ledger import items
from runners.target import TENANT_MARK, mark_names, tenants_of
from runners.target.profile import Tenancy

NAMES = mark_names(Tenancy())


@pytest.mark.parametrize(
    "item",
    [
        {"content": {"body": "x", "resource": {"app.tenant": "acme"}}},
        {"content": {"attributes": {"tenant.id": "acme"}}},
        {"metric": {"__name__": "up", "app_tenant": "acme"}},
        {"tenant": "acme", "content": {}},
        {"resource": [{"key": "app.tenant", "value": {"stringValue": "acme"}}]},
    ],
)
def test_a_mark_is_found_where_it_stands(item: object) -> None:
    assert tenants_of(item, NAMES) == {"acme"}


@pytest.mark.parametrize(
    "item", [{}, {"content": {"body": "app.tenant=acme"}}, {"metric": {"job": "acme"}}, [], None, 3]
)
def test_no_mark_is_no_mark(item: object) -> None:
    assert tenants_of(item, NAMES) == set()


def test_two_marks_that_differ_are_both_told() -> None:
    item = {"tenant": "acme", "content": {"resource": {"app.tenant": "globex"}}}
    assert tenants_of(item, NAMES) == {"acme", "globex"}


def test_the_mark_is_the_one_that_telemetry_carries() -> None:
    assert items.TENANT_ATTRIBUTE == TENANT_MARK
