"""The event protocol: lines, order, series names, and what happens when the pipe is slow."""

import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import events

NAMES = st.text("abcdefghijklmnop._", min_size=1, max_size=10)


@given(NAMES, st.dictionaries(NAMES, NAMES, max_size=4))
def test_a_series_key_comes_apart_as_it_was_made(name, labels):
    assert events.split_series(events.series_key(name, labels)) == (name, labels)
    shuffled = dict(reversed(labels.items()))
    assert events.series_key(name, shuffled) == events.series_key(name, labels)


def read_all(fd):
    with os.fdopen(fd, "rb") as pipe:
        return [json.loads(line) for line in pipe]


def test_everything_emitted_arrives_once_and_in_order():
    reading, writing = os.pipe()
    arrived = []
    reader = threading.Thread(target=lambda: arrived.extend(read_all(reading)))
    reader.start()
    emitter = events.Emitter(writing, limit=8)
    for number in range(2000):
        emitter.emit("log", message="ü" * (number % 50), number=number)
    emitter.close()
    os.close(writing)
    reader.join()
    assert [event["number"] for event in arrived] == list(range(2000))
    assert all(event["type"] == "log" and event["ts"] > 1e9 and event["mono_ns"] > 0 for event in arrived)


def test_points_are_merged_not_lost_when_nobody_reads():
    reading, writing = os.pipe()
    emitter = events.Emitter(writing, limit=2)
    sent = 3000
    for number in range(sent):  # far more than a pipe holds: the queue fills
        emitter.points([{"series": "s" * 50, "t": [float(number)], "v": [number]}])
    arrived = []
    reader = threading.Thread(target=lambda: arrived.extend(read_all(reading)))
    reader.start()
    emitter.close()
    os.close(writing)
    reader.join()
    values = [value for event in arrived for _, _, value in events.iter_points(event)]
    assert values == list(range(sent))
    assert sum(event.get("merged_points", 0) for event in arrived) > 0


def test_a_line_too_long_is_cut_and_marked():
    reading, writing = os.pipe()
    arrived = []
    reader = threading.Thread(target=lambda: arrived.extend(read_all(reading)))
    reader.start()
    emitter = events.Emitter(writing)
    emitter.emit("log", message="x" * (events.MAX_LINE + 10))
    emitter.close()
    os.close(writing)
    reader.join()
    assert arrived[0]["message"] == "event too long, cut" and arrived[0]["cut"] > events.MAX_LINE


def test_a_torn_last_line_is_not_an_event(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"seq":0}\n{"seq":1}\n{"se')
    assert [event["seq"] for event in events.read_events(path)] == [0, 1]
    assert [event["seq"] for event in events.read_events(path, 10)] == [1]
    assert list(events.read_events(tmp_path / "absent")) == []


def test_points_of_one_series_or_many_read_alike():
    one = {"series": "a", "t": [1, 2], "v": [3, 4]}
    assert list(events.iter_points({"type": "metric.points", **one})) == [("a", 1, 3), ("a", 2, 4)]
    assert list(events.iter_points({"many": [one, {"series": "b", "t": [5], "v": [6]}]})) == [
        ("a", 1, 3),
        ("a", 2, 4),
        ("b", 5, 6),
    ]
    with pytest.raises(ValueError):
        list(events.iter_points({"series": "a", "t": [1], "v": []}))
