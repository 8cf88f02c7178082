"""Lists, pages, single runs and ids, on both databases."""

import json

import pytest
from sqlalchemy import event, text

from runners.lib.errors import NotReady, UsageError
from runners.lib.ids import new_run_id
from runners.results import queries
from runners.results.pages import RunPages
from runners.results.reindex import reindex
from runners.results.store import open_store
from tests.runfiles import T0, campaign


@pytest.fixture
def many(store):
    """250 runs: every seventh failed, every third on `stage`, durations with ties."""
    rows = []
    for number in range(250):
        verdict = "failed" if number % 7 == 0 else "passed" if number % 11 else None
        rows.append(
            {
                "id": f"01a20000-{number:04x}-7000-8000-000000000000", "campaign": "drill" if number % 2 else "smoke",
                "environment": "stage" if number % 3 == 0 else "local", "verdict": verdict, "state": "finished",
                "started_at": T0 + number, "finished_at": T0 + number + 9, "duration_s": float(number % 10),
                "failed": number % 4, "planned": 5, "reason": "it's 50% över_" if number == 13 else None,
            }
        )  # fmt: skip
    rows.append(dict(rows[0]) | {"id": new_run_id(), "campaign": "a stage"})
    with store.write() as connection:
        columns = list(rows[0])
        statement = f"INSERT INTO test_executions ({','.join(columns)}) VALUES ({','.join(':' + c for c in columns)})"
        connection.execute(text(statement), rows)
        connection.execute(
            text("UPDATE test_executions SET parent_id = :p WHERE campaign = 'a stage'"), {"p": rows[0]["id"]}
        )
    return rows[:-1]


def everything(store, limit, **options):
    found, cursor, pages = [], None, 0
    while True:
        page = queries.list_runs(store, limit=limit, after=cursor, **options)
        found += page["items"]
        cursor, pages = page["next"], pages + 1
        if cursor is None:
            return found, pages


@pytest.mark.parametrize("sort", ["-started", "started", "duration", "-duration", "failed", "-failed"])
def test_pages_follow_one_another_without_gap_or_repeat(store, many, sort):
    keys = {
        "started": lambda r: r["id"],
        "duration": lambda r: (r["duration_s"], r["id"]),
        "failed": lambda r: (r["failed"], r["id"]),
    }
    expected = sorted(many, key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))
    found, pages = everything(store, 40, sort=sort)
    assert [item["run"] for item in found] == [row["id"] for row in expected]
    assert pages == 7


@pytest.mark.parametrize(
    ("filter", "predicate"),
    [
        ("verdict == failed", lambda r: r["verdict"] == "failed"),
        ("not verdict == failed", lambda r: r["verdict"] == "passed"),
        ("verdict != failed", lambda r: r["verdict"] == "passed"),
        ("campaign == smoke and environment == stage", lambda r: r["campaign"] == "smoke" and r["environment"] == "stage"),
        ("tests.failed >= 2 or duration_s > 8500ms", lambda r: r["failed"] >= 2 or r["duration_s"] > 8.5),
        ("campaign ~ rill", lambda r: r["campaign"] == "drill"),
        ('campaign ~ "^sm.*e$"', lambda r: r["campaign"] == "smoke"),
        ("not campaign ~ rill", lambda r: r["campaign"] == "smoke"),
        ('reason ~ "50% över_"', lambda r: r["reason"] is not None),
        ("campaign ~ SMOKE", lambda r: False),
        ('started_at >= "2026-09-21T14:14:00"', lambda r: r["started_at"] >= 1790000040),
        ('started_at < "2026-09-21T16:14:00+02:00"', lambda r: r["started_at"] < 1790000040),
        ("10 > tests.planned and tests.failed == 0", lambda r: r["failed"] == 0),
        ("tests.failed == tests.planned", lambda r: False),
        ("commit == abc", lambda r: False),
    ],
)  # fmt: skip
def test_a_filter_means_the_same_on_both_databases(store, many, filter, predicate):
    found, _ = everything(store, 30, filter=filter)
    assert [item["run"] for item in found] == [row["id"] for row in reversed(many) if predicate(row)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"filter": "verdct == failed"}, "did you mean 'verdict'"), ({"filter": "duration_s > 3"}, "write 3s"),
        ({"filter": "p95(x) < 3s"}, "no functions"), ({"filter": "verdict"}, "comparison"),
        ({"filter": 'started_at > "tomorrow"'}, "not a date"), ({"sort": "name"}, "valid: duration, failed, started"),
        ({"after": "xyz"}, "does not belong"), ({"after": "e30"}, "does not belong"), ({"limit": 0}, "1 or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(store, options, says):
    with pytest.raises(UsageError) as caught:
        queries.list_runs(store, **options)
    assert says in str(caught.value)


def test_a_cursor_belongs_to_its_filter_and_order(store, many):
    cursor = queries.list_runs(store, limit=5, filter="verdict == failed")["next"]
    for options in ({"filter": "verdict == passed"}, {"filter": "verdict == failed", "sort": "started"}, {}):
        with pytest.raises(UsageError, match="does not belong"):
            queries.list_runs(store, after=cursor, **options)


def test_no_query_uses_offset_and_a_deep_page_uses_an_index(store, many):
    seen = []

    def record(_conn, _cursor, *told):
        seen.append(told[:2])

    event.listen(store.engine, "before_cursor_execute", record)
    for sort in ("-started", "duration"):
        everything(store, 100, sort=sort)
    everything(store, 100, filter="campaign ~ x")
    RunPages(store, "verdict == failed").rows(3, 10)
    event.remove(store.engine, "before_cursor_execute", record)
    assert len(seen) > 8
    for statement, parameters in seen:
        if statement.endswith("LIMIT ? OFFSET ?"):  # how SQLAlchemy writes LIMIT for SQLite
            assert parameters[-1] == 0
        else:
            assert "OFFSET" not in statement.upper()
    if store.engine.dialect.name == "sqlite":
        with store.engine.connect() as connection:
            for statement, parameters in seen:
                if statement.startswith("SELECT"):
                    plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).all()
                    told = " ".join(str(row[3]) for row in plan)
                    assert "TEMP B-TREE" not in told and "INDEX" in told, (statement, told)


def test_a_list_read_by_place_gives_any_place(store, many):
    pages = RunPages(store)
    assert len(pages) == 250
    assert [item["run"] for item in pages.rows(0, 3)] == [row["id"] for row in many[:-4:-1]]
    assert [item["run"] for item in pages.rows(120, 5)] == [row["id"] for row in reversed(many)][120:125]
    assert [item["run"] for item in pages.rows(248, 50)] == [many[1]["id"], many[0]["id"]]
    oldest = RunPages(store, "verdict == failed", newest_first=False)
    assert [item["run"] for item in oldest.rows(0, 2)] == [many[0]["id"], many[7]["id"]]
    with pytest.raises(UsageError):
        RunPages(store, "verdct == failed")


def test_one_run_in_full(store, home):
    made = campaign(home, lost=4)
    reindex(home, store)
    found = json.loads(json.dumps(queries.show_run(store, made.run)))
    assert (found["run"], found["verdict"], found["tests"]["failed"], found["commit"]) == (
        made.run,
        "failed",
        1,
        "abc1234",
    )
    assert [(stage["name"], stage["suite"], stage["verdict"]) for stage in found["stages"]] == [
        ("telemetry", "data", "passed"), ("users", "load", "passed"), ("crash", "chaos", "passed"), ("audit", "data", "failed"),
    ]  # fmt: skip
    assert found["ledger"]["signals"]["logs"]["lost"] == 4
    assert found["faults"][0]["reverted_by"] == "supervisor" and found["faults"][0]["time_to_recover_s"] == 2.1
    assert [gate["verdict"] for gate in found["gates"]] == ["failed", "passed", "passed"]
    latency = found["metrics"]["users.search.logs"]
    assert (
        latency["unit"] == "s"
        and latency["min"] <= latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    )
    assert found["metrics"]["telemetry.data.sent"]["n"] == 90
    assert found["artifacts"] == [
        {"path": "artifacts/audit.json", "sha256": "0" * 64, "kind": "audit", "run": made.stages["audit"].run}
    ]
    assert found["config"]["config"]["environment"]["value"] == "local"
    stage = queries.show_run(store, made.stages["users"].run)
    assert stage["parent"] == made.run and "search.logs" in stage["metrics"] and stage["tests"]["passed"] == 4


def test_a_run_that_is_not_ingested_is_shown_from_its_files(store, home, url):
    made = campaign(home, lost=2)
    early = queries.show_run(store, made.run, home)
    with pytest.raises(NotReady, match="reindex"):
        queries.show_run(store, made.run)
    reindex(home, store)
    assert queries.show_run(store, made.run) == early
    with pytest.raises(NotReady):
        queries.show_run(store, new_run_id(), home)


def test_secrets_in_a_recorded_configuration_are_not_shown():
    shown = queries.redacted({"db": {"password": "x", "hosts": [{"api_key": "y", "port": 1}]}, "token_file": ""})
    assert shown == {"db": {"password": "***", "hosts": [{"api_key": "***", "port": 1}]}, "token_file": ""}


def test_runs_are_found_by_what_people_type(store, home):
    first, second = campaign(home), campaign(home, start=T0 + 100)
    for known in (None, store):
        assert queries.resolve(known, home, "last") == second.run
        assert queries.resolve(known, home, "last~1") == first.run
        assert queries.resolve(known, home, first.run) == first.run
        assert queries.resolve(known, home, first.run[:-1]) == first.run
        assert queries.resolve(known, home, second.stages["users"].run[:30].upper()) == second.stages["users"].run
        assert queries.resolve(known, home, first.run[:13]) == first.run, "its stages begin like the campaign"
        with pytest.raises(UsageError, match="several runs"):
            queries.resolve(known, home, first.run[:8])
        with pytest.raises(NotReady, match="there are 2 runs"):
            queries.resolve(known, home, "last~2")
        with pytest.raises(NotReady, match="no run"):
            queries.resolve(known, home, "ffffff")
        for nonsense in ("abc", "last~x", "lastly!", "../../x", ""):
            with pytest.raises(UsageError):
                queries.resolve(known, home, nonsense)


def test_runs_of_the_database_are_found_without_their_folder(store, home, tmp_path):
    made = campaign(home)
    reindex(home, store)
    elsewhere = type(home)(tmp_path / "elsewhere")
    assert queries.resolve(store, elsewhere, "last") == made.run
    assert queries.resolve(store, elsewhere, made.stages["crash"].run) == made.stages["crash"].run


def test_memory_is_a_database_too():
    store = open_store("sqlite://")
    assert queries.list_runs(store) == {"items": [], "next": None}
    store.close()
