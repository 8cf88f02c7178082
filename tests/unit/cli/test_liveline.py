"""What a command that only reads shows meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.cli.liveline import LiveLine
from runners.cli.session import Session
from runners.lib.home import Home


@pytest.mark.parametrize(
    ("interactive", "verbose", "shown"),
    [
        (False, False, ""),
        (False, True, "reading logs\nreading traces of a tenant\n"),
        (True, False, "… reading logs\r\x1b[2K… reading traces o…\r\x1b[2K"),
    ],
)
def test_it_is_redrawn_on_a_terminal_and_told_line_by_line_when_asked_for(
    interactive: bool, verbose: bool, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "interactive", interactive)
    monkeypatch.setenv("COLUMNS", "20")
    with LiveLine(Session(Home(Path("/nowhere")), verbose=verbose)) as doing:
        doing("reading logs")
        doing("reading traces of a tenant")
    out, err = capsys.readouterr()
    assert (out, err) == ("", shown)
