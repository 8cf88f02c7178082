"""YAML of users: every error has a file, a line and a way out; nothing else is ever raised."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runners.config import document
from runners.lib.errors import FileError

WORDS = st.text("abcdefg", min_size=1, max_size=6)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(DATA)
def test_data_is_what_yaml_says(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "x.yaml"
    assert document.parse(yaml.safe_dump(data), path).data == data


@given(st.text(max_size=60) | st.text("ab:-[]{}\"'\n #&*!|>%", max_size=60))
def test_any_text_gives_data_or_a_file_error_with_the_file(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "x.yaml"
    try:
        document.parse(text, path)
    except FileError as error:
        assert str(path) in str(error)


class Stage(document.Strict):
    name: str
    duration: document.Seconds = 1.0


class Plan(document.Strict):
    stages: list[Stage]
    size: document.Bytes = 0


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("stages:\n  - name: a\n    duratoin: 3s\n", 3, "did you mean 'duration'"),
        ("stages:\n  - name: a\n    duration: 3 parsecs\n", 3, "is not a duration"),
        ("stages:\n  - duration: 3s\n", 2, "'name' is missing"),
        ("stages: []\nsize: 3 apples\n", 2, "is not a size"),
        ("stages: []\nstages: []\n", 2, "given twice"),
        ("stages: [\n", 2, "not valid YAML"),
        ("stages: []\nsiez: 1\n", 2, "did you mean 'size'"),
    ],
)
def test_errors_name_the_line_and_the_nearest_key(tmp_path, text, line, says):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        document.load(path, Plan)
    assert caught.value.line == line and says in str(caught.value), str(caught.value)


def test_a_missing_file_and_one_that_is_no_text_are_said(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        document.read(tmp_path / "absent.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError):
        document.read(tmp_path / "binary")
