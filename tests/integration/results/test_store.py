"""Ingest: once each, all or nothing, the same tables however the stream was cut."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from runners.lib.home import Home
from runners.results import reader
from runners.results.models import Base
from runners.results.reindex import ingest, reindex, trees
from runners.results.store import Batch, DatabaseBusy, TwoIngesters, open_store
from tests.runfiles import campaign


def tables(store, *, without=("state",)):
    """All rows of all tables, sorted; the ingester's own state aside."""
    result = {}
    with store.read() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [
                column.name for column in table.columns if (table.name, column.name) != ("ingest_offsets", "state")
            ]
            rows = connection.execute(table.select().with_only_columns(*(table.c[name] for name in columns)))
            result[table.name] = sorted(
                repr([bytes(value) if isinstance(value, memoryview) else value for value in row]) for row in rows
            )
    return result


def batch(home, run, parent, events, *offsets, **state):
    before, after = offsets
    return Batch(run, parent, home.run(run), events, before, after, state)


def pieces(home, run, size):
    return list(reader.batches(home.run(run) / "events.jsonl", 0, size))


def apply_in_pieces(store, home, made, sizes):
    """The whole campaign, its files interleaved, cut after sizes[i % n] events."""
    queues = []
    for position, (run, parent) in enumerate(
        [(made.run, None), *((file.run, made.run) for file in made.stages.values())]
    ):
        queues.append((run, parent, pieces(home, run, sizes[position % len(sizes)])))
    offsets = {}
    while any(queue for _, _, queue in queues):
        together = []
        for run, parent, queue in queues:
            if queue:
                events, after = queue.pop(0)
                together.append(batch(home, run, parent, events, offsets.get(run, 0), after))
                offsets[run] = after
        store.apply(together)


def test_a_campaign_ends_up_in_the_tables(store, home):
    made = campaign(home, lost=7)
    assert reindex(home, store)["runs"] == 1
    with store.read() as connection:
        top = connection.execute(text("SELECT * FROM test_executions WHERE parent_id IS NULL")).one()
        assert (top.id, top.state, top.verdict, top.campaign, top.commit_id) == (
            made.run,
            "finished",
            "failed",
            "smoke",
            "abc1234",
        )
        assert (top.planned, top.passed, top.failed, top.skipped, top.not_run, top.malformed) == (10, 9, 1, 0, 0, 0)
        fault = connection.execute(text("SELECT * FROM faults")).one()
        assert (fault.fault, fault.target, fault.reverted_by, fault.time_to_recover_s) == (
            "kill",
            "ingest",
            "supervisor",
            2.1,
        )
        assert connection.scalar(text("SELECT count(*) FROM test_executions WHERE parent_id IS NOT NULL")) == 4
        assert connection.scalar(text("SELECT sum(n) FROM metric_chunks")) == connection.scalar(
            text(
                "SELECT sum(points) FROM (SELECT sum(n) AS points FROM metric_chunks GROUP BY series_id) AS per_series"
            )
        )


def test_points_come_back_exactly_and_in_chunks_of_a_hundred(store, home):
    made = campaign(home, seconds=230)
    reindex(home, store)
    sent = {}
    for event in reader.events(made.stages["crash"].folder / "events.jsonl"):
        if event["type"] == "metric.points":
            for item in event["many"]:
                t, v = sent.setdefault(item["series"], ([], []))
                t.extend(item["t"])
                v.extend(item["v"])
    run = made.stages["crash"].run
    found = {name: store.points(run, series) for series, (name, *_) in store.series(run).items()}
    assert found == sent
    with store.read() as connection:
        sizes = [
            row[0]
            for row in connection.execute(
                text("SELECT n FROM metric_chunks WHERE execution_id = :run ORDER BY number"), {"run": run}
            )
        ]
    assert set(sizes[:-1]) == {100} and 0 < sizes[-1] <= 100


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([1, 2, 3, 7, 20, 61, 1000]), min_size=1, max_size=5), st.booleans())
def test_any_cut_into_batches_gives_the_tables_that_reindex_gives(tmp_path_factory, sizes, forgetful):
    folder = tmp_path_factory.mktemp("cut")
    home = Home(folder / "home")
    home.create()
    made = campaign(home, seconds=25, lost=1)
    grown, rebuilt = open_store(f"sqlite:///{folder}/a.db"), open_store(f"sqlite:///{folder}/b.db")
    if forgetful:  # as after a restart of the coordinator, before every transaction
        plain = grown.apply

        def apply(batches):
            grown._reducers.clear()
            plain(batches)

        grown.apply = apply
    apply_in_pieces(grown, home, made, sizes)
    reindex(home, rebuilt)
    assert tables(grown) == tables(rebuilt)
    grown.close()
    rebuilt.close()


def test_reindex_rebuilds_what_grew_and_is_repeatable(store, home):
    made = campaign(home, seconds=120)
    apply_in_pieces(store, home, made, [7, 31])
    before = tables(store)
    reindex(home, store)
    assert tables(store) == before
    reindex(home, store)
    assert tables(store) == before


def test_the_order_in_which_the_files_are_read_does_not_matter(store, home, tmp_path):
    made = campaign(home)
    for file in [*made.stages.values(), made.own]:  # the campaign's own file last
        parent = None if file.run == made.run else made.run
        for events, after in pieces(home, file.run, 10**6):
            store.apply([batch(home, file.run, parent, events, 0, after)])
    before = tables(store)
    reindex(home, store)
    assert tables(store) == before


def test_a_second_ingester_is_refused_and_nothing_of_its_batch_stays(store, url, home):
    made = campaign(home)
    other = open_store(url)
    (first, middle), (second, end) = pieces(home, made.run, 10)[:2]
    store.apply([batch(home, made.run, None, first, 0, middle)])
    before = tables(store)
    stage = made.stages["users"]
    (events, after), *_ = pieces(home, stage.run, 20)
    with pytest.raises(TwoIngesters):
        other.apply([batch(home, stage.run, made.run, events, 0, after), batch(home, made.run, None, first, 0, middle)])
    with pytest.raises(TwoIngesters):
        other.apply([batch(home, made.run, None, second, middle + 5, end)])
    with pytest.raises(TwoIngesters):
        other.apply([batch(home, stage.run, made.run, events, 17, after)])
    assert tables(store) == before
    store.apply([batch(home, made.run, None, second, middle, end), batch(home, stage.run, made.run, events, 0, after)])
    other.close()


def test_rows_without_their_offset_cannot_be_inserted_twice(store, home):
    made = campaign(home)
    reindex(home, store)
    with store.write() as connection:
        connection.execute(text("DELETE FROM ingest_offsets"))
    file = made.stages["audit"]
    (events, after), *_ = pieces(home, file.run, 10**6)
    with pytest.raises(TwoIngesters, match="exist already"):
        store.apply([batch(home, file.run, made.run, events, 0, after)])


def test_progress_gives_back_offset_and_state_of_the_last_transaction(store, home):
    made = campaign(home)
    assert store.progress(made.run) is None
    (first, middle), *_ = pieces(home, made.run, 10)
    store.apply([batch(home, made.run, None, first, 0, middle, steady=True, plan=["a"])])
    assert store.progress(made.run) == (middle, {"steady": True, "plan": ["a"]})
    store.apply([batch(home, made.run, None, [], middle, middle, steady=False)])
    assert store.progress(made.run) == (middle, {"steady": False})


def test_odd_events_are_counted_and_do_not_stop_the_run(store, home):
    made = campaign(home)
    file = made.stages["users"]
    odd = [
        {"type": "test.finished", "seq": 900, "ts": 1.0}, {"type": "test.finished", "id": "x", "outcome": "great", "ts": 1.0},
        {"type": "metric.points", "many": [{"series": "load.rate", "t": [1.0, 2.0], "v": ["x", float("nan")]}]},
        {"type": "metric.points", "many": [{"series": "search.logs{tenant=acme}", "t": [1.0], "v": [{"n": 1}]}]},
        {"type": "metric.points", "many": 7}, {"type": "finding"}, {"type": "artifact", "path": None},
        {"type": "ledger", "kind": "audit", "document": []}, {"type": "unreadable"}, {"no": "type"},
        {"type": "finding", "seq": 901, "ts": 2.0, "message": "nul \x00 and \ud800", "extra": {"\x00": float("inf")}},
        {"type": "test.finished", "id": "auth.login", "outcome": "passed", "attempt": 1, "ts": 3.0},
        {"type": "test.finished", "id": "auth.login", "outcome": "failed", "attempt": 1, "ts": 3.0},
    ]  # fmt: skip
    store.apply([batch(home, file.run, made.run, odd, 0, 10)])
    with store.read() as connection:
        row = connection.execute(text("SELECT * FROM test_executions WHERE id = :run"), {"run": file.run}).one()
        finding = connection.execute(text("SELECT * FROM findings")).one()
        outcomes = [item[0] for item in connection.execute(text("SELECT outcome FROM test_results"))]
    assert row.malformed == 11
    assert finding.message == "nul \ufffd and \ufffd"
    assert outcomes == ["passed"]


def test_a_failed_transaction_leaves_the_reducer_as_it_was(store, home, monkeypatch):
    made = campaign(home, seconds=60)
    file = made.stages["crash"]
    parts = pieces(home, file.run, 15)
    offset = 0
    for number, (events, after) in enumerate(parts):
        one = batch(home, file.run, made.run, events, offset, after)
        if number % 2:
            monkeypatch.setattr("runners.results.store.write", _fail)
            with pytest.raises(RuntimeError):
                store.apply([one])
            monkeypatch.undo()
        store.apply([one])
        offset = after
    before = tables(store)
    store.forget([made.run, file.run])
    store.apply([batch(home, file.run, made.run, [e for events, _ in parts for e in events], 0, offset)])
    assert tables(store) == before


def _fail(*_):
    raise RuntimeError("the disk burns")


def test_a_locked_sqlite_is_busy_within_the_asked_time_and_works_afterwards(tmp_path, home):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    store = open_store(url, busy_timeout_s=0.05)
    made = campaign(home)
    (events, after), *_ = pieces(home, made.run, 10)
    hog = sqlite3.connect(tmp_path / "r.db", isolation_level=None)
    hog.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="locked"):
        store.apply([batch(home, made.run, None, events, 0, after)])
    hog.execute("ROLLBACK")
    hog.close()
    store.apply([batch(home, made.run, None, events, 0, after)])
    assert store.progress(made.run) == (after, {})
    store.close()


@pytest.mark.postgres
def test_a_locked_postgresql_is_busy_within_the_asked_time(postgres, home):
    store, other = open_store(postgres, busy_timeout_s=0.05), open_store(postgres)
    made = campaign(home)
    (first, middle), (second, end) = pieces(home, made.run, 10)[:2]
    store.apply([batch(home, made.run, None, first, 0, middle)])
    with other.write() as connection:
        connection.execute(text("SELECT * FROM ingest_offsets FOR UPDATE"))
        with pytest.raises(DatabaseBusy, match="locked"):
            store.apply([batch(home, made.run, None, second, middle, end)])
    store.apply([batch(home, made.run, None, second, middle, end)])
    store.close()
    other.close()


def test_many_writers_lose_and_double_nothing(url, tmp_path):
    """Four coordinators of one database, each ingesting its own campaign in small transactions."""
    homes = []
    for number in range(4):
        home = Home(tmp_path / f"h{number}")
        home.create()
        homes.append((home, campaign(home, seconds=20, seed=number)))
    errors = []

    def run(home, made):
        try:
            own = open_store(url)
            apply_in_pieces(own, home, made, [4])
            own.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    store = open_store(url)
    before = tables(store)
    for home, _ in homes:
        reindex(home, store)
    assert tables(store) == before
    store.close()


_INGEST = """
import sys
from pathlib import Path
from runners.lib.home import Home
from runners.results.reindex import trees
from runners.results.store import open_store, Batch
from runners.results import reader
home, store = Home(Path(sys.argv[1])), open_store(sys.argv[2])
print("go", flush=True)
for tree in trees(home).values():
    for run in tree.runs:
        offset, state = store.progress(run) or (0, {})
        for events, after in reader.batches(home.run(run) / "events.jsonl", offset, 2):
            store.apply([Batch(run, None if run == tree.run else tree.run, home.run(run), events, offset, after, {})])
            offset = after
"""


def test_kill_9_at_any_moment_loses_and_doubles_nothing(store, url, home):
    campaign(home, seconds=40)
    deaths = 0
    for pause in (0.0, 0.03, 0.07, 0.12, 0.2, 0.02, 0.05):
        process = subprocess.Popen([sys.executable, "-c", _INGEST, str(home.root), url], stdout=subprocess.PIPE)
        process.stdout.readline()
        try:
            process.wait(pause + 0.001)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            deaths += 1
        process.wait()
        process.stdout.close()
    assert deaths >= 3
    for tree in trees(home).values():
        ingest(home, store, tree)
    before = tables(store)
    reindex(home, store)
    assert tables(store) == before


def test_no_live_run_is_touched_by_reindex(store, home):
    made = campaign(home)
    (events, after), *_ = pieces(home, made.run, 5)
    store.apply([batch(home, made.run, None, events, 0, after)])
    (home.live / made.run).touch()
    before = tables(store)
    assert reindex(home, store) == {"runs": 0, "events": 0, "live": 1}
    assert tables(store) == before


def test_a_torn_last_line_is_left_for_later(store, home):
    made = campaign(home)
    path: Path = made.own.folder / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    reindex(home, store)
    position, _ = store.progress(made.run)
    assert position == whole[:-20].rfind(b"\n") + 1
    path.write_bytes(whole)
    for tree in trees(home).values():
        ingest(home, store, tree)
    assert store.progress(made.run)[0] == len(whole)
