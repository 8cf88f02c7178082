"""The JSONPath subset of a target profile."""

import pytest

from runners.target.jsonpath import parse

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": 2}]}, "odd key": 3, "empty": []}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a.b[0].c", 1),
        ("$.a.b[-1].c", 2),
        ("$['odd key']", 3),
        ('$["a"].b[1]', {"c": 2}),
        ("$.a.missing", None),
        ("$.a.b[7]", None),
        ("$.a[0]", None),
        ("$.a.b.c", None),
    ],
)
def test_a_path_leads_to_its_value_or_nowhere(path: str, value: object) -> None:
    assert parse(path).value(DOCUMENT) == value


def test_a_star_is_every_element() -> None:
    assert parse("$.a.b[*].c").values(DOCUMENT) == [1, 2]
    assert parse("$.a.b[*].c").items(DOCUMENT) == [1, 2]


def test_items_tells_an_empty_list_from_no_list() -> None:
    assert parse("$.empty").items(DOCUMENT) == []
    assert parse("$.a").items(DOCUMENT) is None
    assert parse("$.nothing").items(DOCUMENT) is None


@pytest.mark.parametrize(("path", "column"), [("$.a..b", "column 4"), ("$.a[b]", "column 4"), ("$a", "column 2")])
def test_what_cannot_be_read_is_named_by_its_column(path: str, column: str) -> None:
    with pytest.raises(ValueError, match=column):
        parse(path)


def test_a_path_begins_with_a_dollar() -> None:
    with pytest.raises(ValueError, match="not a JSONPath"):
        parse("items")
