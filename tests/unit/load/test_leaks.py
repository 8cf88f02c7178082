"""The leak check: a foreign item is found and told; nothing marked proves nothing."""

from runners.load.leaks import LeakCheck

MARKS = frozenset({"app.tenant"})


def item(tenant: str | None, id_: str = "i") -> dict[str, object]:
    return {"id": id_, "content": {"resource": {} if tenant is None else {"app.tenant": tenant}}}


def test_own_items_are_no_leak() -> None:
    check = LeakCheck("search.logs")
    assert len(check.assess("acme", [item("acme"), item(None)], MARKS)) == 2
    assert (check.leaked, check.marked, check.items) == (0, 1, 2)


def test_a_foreign_item_is_told_with_whose_it_is_and_not_learned_from() -> None:
    check = LeakCheck("search.logs")
    own = check.assess("acme", [item("acme"), item("globex", "stolen")], MARKS, request_id="r-1")
    assert own == [item("acme")]
    assert check.leaked == 1
    assert (
        "search.logs showed 1 of 2 items to a tenant that they do not belong to (most: 1 of globex to acme)"
        in check.summary
    )
    told = check.to_json()
    assert told["pairs"] == [{"tenant": "acme", "belongs_to": "globex", "items": 1}]
    assert told["samples"][0] | {"ts": 0} == {
        "ts": 0, "tenant": "acme", "belongs_to": ["globex"], "id": "stolen", "request_id": "r-1",
    }  # fmt: skip
    assert told["first_seen"] is not None


def test_three_samples_are_kept_however_much_leaks() -> None:
    check = LeakCheck("search.logs")
    for _ in range(50):
        check.assess("acme", [item("globex")], MARKS)
    assert check.leaked == 50
    assert len(check.samples) == 3


def test_an_item_that_belongs_to_two_is_a_leak() -> None:
    check = LeakCheck("search.logs")
    check.assess("acme", [{"app.tenant": "acme", "content": {"attributes": {"app.tenant": "globex"}}}], MARKS)
    assert check.leaked == 1


def test_no_mark_at_all_says_not_assessed() -> None:
    check = LeakCheck("search.logs")
    check.assess("acme", [item(None)] * 4, MARKS)
    assert check.marked == 0
    assert check.summary.startswith("not assessed: none of 4 items")
