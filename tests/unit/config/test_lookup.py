"""Files that are found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.config import lookup
from runners.lib.errors import FileError


def test_only_what_could_have_been_meant_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text("scenario: mine\n")
    (tmp_path / "scenarios" / "broken.yaml").write_text("scenario: [\n")
    (tmp_path / "scenarios" / "users.yaml").write_text("load: users\n")
    with pytest.raises(FileError) as found:
        lookup.find("scenarios", "zzzzz", lambda document: "scenario" in document)
    assert "mine" in (found.value.remedy or "") and "smoke" in (found.value.remedy or "")
    assert not any(name in (found.value.remedy or "") for name in ("broken", "users", "browse"))
    assert lookup.find("scenarios", "users", lambda document: "scenario" in document).name == "users.yaml"
