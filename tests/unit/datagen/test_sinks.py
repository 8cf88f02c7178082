"""What `--sink` may say."""

from __future__ import annotations

import os

import pytest

from runners.datagen.reading import parse_stores
from runners.datagen.sinks import Place, parse_sinks
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
