"""Files are whole or absent."""

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.lib.files import read_json, reserve, write_json

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(DOCUMENTS)
def test_what_is_written_is_read(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("f") / "d.json"
    write_json(path, document, sync=False)
    assert read_json(path) == document
    assert os.listdir(path.parent) == ["d.json"]


def test_absent_and_torn_files_are_none(tmp_path):
    assert read_json(tmp_path / "absent") is None
    assert read_json(tmp_path / "absent" / "below") is None
    (tmp_path / "torn").write_text('{"a": 1')
    assert read_json(tmp_path / "torn") is None


def test_a_shorter_document_leaves_nothing_of_a_longer_temporary(tmp_path):
    path = tmp_path / "x"
    reserve(f"{path}.tmp", 4096)
    write_json(path, {"a": 1})
    assert path.read_text() == '{"a": 1}'
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_reader_beside_writers_never_sees_half_a_document(tmp_path):
    path, done, torn = tmp_path / "x", threading.Event(), []
    write_json(path, {"n": 0})

    def read():
        while not done.is_set():
            found = read_json(path)
            if found is None or len(set(found.values())) != 1:
                torn.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        write_json(path, {f"k{key}": number for key in range(50)}, sync=False)
    done.set()
    reader.join()
    assert torn == []


def test_a_failed_write_leaves_the_old_document(tmp_path):
    path = tmp_path / "x"
    write_json(path, {"good": True})
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert read_json(path) == {"good": True}
