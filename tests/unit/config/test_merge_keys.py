"""YAML merge keys: what is written here wins over what is merged in, and is no duplicate."""

from pathlib import Path

import pytest

from runners.config.document import parse
from runners.lib.errors import FileError


def test_a_key_written_here_wins_over_a_merged_one() -> None:
    found = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", Path("file.yml"))
    assert found.data["b"] == {"x": 1, "y": 3}
    assert found.line(("b", "y")) == 4


def test_a_key_written_twice_is_still_an_error() -> None:
    with pytest.raises(FileError, match=r"file\.yml:5: key 'y' is given twice"):
        parse("a: &a {x: 1}\nb:\n  <<: *a\n  y: 3\n  y: 4\n", Path("file.yml"))
