"""What `--sink` may say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runners.datagen.reading import parse_stores
from runners.datagen.scenario import read_scenario
from runners.datagen.sinks import MOST_LINES, Place, parse_sinks
from runners.datagen.world import World
from runners.ledger.identity import identity
from runners.lib.errors import UsageError


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        ("http://a:1", "http", "http://a:1"),
        ("https://a/otlp", "http", "https://a/otlp"),
        ("loki+http://a:3100/", "loki", "http://a:3100"),
        ("prw+https://a", "prometheus", "https://a"),
        ("prometheus+https://a", "prometheus", "https://a"),
        ("file:/x", "file", "/x"),
        ("capture:/x", "capture", "/x"),
        ("null:", "null", ""),
        ("platform:", "platform", ""),
    ],
)
def test_each_form_is_read_and_written_alike(text: str, kind: str, where: str) -> None:
    (place,) = parse_sinks([text])
    assert (place.kind, place.where) == (kind, where)
    assert parse_sinks([place.text]) == (place,)


@pytest.mark.parametrize(("written", "read"), [("loki+", "loki+"), ("prw+", "prw+"), ("prometheus+", "prw+")])
def test_a_store_that_is_written_to_has_the_name_under_which_it_is_read_back(written: str, read: str) -> None:
    (place,) = parse_sinks([f"{written}http://a:1/"])
    assert place.text == f"{read}http://a:1"
    assert parse_stores([f"{written}http://a:1/"]) == parse_stores([place.text])


def test_standard_output_is_that_of_this_process() -> None:
    (place,) = parse_sinks(["stdout:"])
    assert place == Place("stdout", f"/proc/{os.getpid()}/fd/1")
    assert parse_sinks([place.text]) == (place,)


def test_as_many_lines_as_loki_may_be_sent_at_once_fit_a_message_of_its_components() -> None:
    """The longest there are: JSON of a shop in which every request fails, without the short debug records."""
    text = b"""
scenario: failing
duration: 1s
tick: 1s
tenants: [{id: acme}]
load: {requests: 600/s}
errors: 100%
logs: {formats: {json: 1}, debug: 1%, asides: true}
"""
    scenario = read_scenario(text, Path("failing.yaml"))
    world = World(scenario, identity("0" * 26, scenario.tenants), 1, 1_790_000_000 * 10**9, None)
    pushes = [world.parcel(batch, wire="loki") for batch in world.batches(0) if batch.signal == "logs"]
    longest = max(len(push.body) / push.items for push in pushes)
    passed_on = 1.03  # Loki packs each line anew
    assert scenario.file.delivery.max_items <= MOST_LINES
    assert longest * passed_on * MOST_LINES < 4 << 20


def test_without_any_it_is_the_environments_own() -> None:
    assert parse_sinks([]) == (Place("platform"),)


@pytest.mark.parametrize(
    "texts", [["ftp://a"], ["file:"], ["capture:"], ["stdout:x"], ["loki+"], ["loki+ftp://a"], ["tempo+http://a"], [""]]
)
def test_anything_else_is_refused_with_the_valid_forms(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="is not a sink"):
        parse_sinks(texts)


@pytest.mark.parametrize("prefix", ["", "loki+", "prw+"])
@pytest.mark.parametrize("url", ["http://a:99999", "http://[::1", "http://u:secret@a", "https://a?x=1", "http://a b"])
def test_a_url_that_would_not_be_sent_as_it_is_written_is_refused(prefix: str, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sinks([prefix + url])
    assert "secret" not in str(caught.value) and caught.value.exit_code == 64


def test_one_sink_is_not_written_to_twice() -> None:
    with pytest.raises(UsageError, match="twice"):
        parse_sinks(["loki+http://a", "http://a", "loki+http://a/"])
    with pytest.raises(UsageError, match="twice"):
        parse_sinks(["http://a", "http://a/"])
    with pytest.raises(UsageError, match="too many"):
        parse_sinks([f"http://a:{port}" for port in range(1, 20)])
