"""What a run that wrote telemetry proposes to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.cli.commands.data import _next
from runners.cli.session import Session
from runners.lib.home import Home
from runners.orchestrator.service import Followed

RUN = "01964c00-aaaa-7000-8000-000000000001"
PASSED = Followed(RUN, 0, "finished", "passed", None)
LOST = Followed(RUN, 2, "finished", "invalid", "not assessed: stage smoke: lost")
CANCELLED = Followed(RUN, 130, "cancelled", None, "cancelled")
FAILED = Followed(RUN, 1, "finished", "failed", "3 items were rejected")


def test_what_was_written_is_audited_where_it_can_be_read_back(tmp_path: Path) -> None:
    session = Session(Home(tmp_path))
    assert _next(session, audited=True)(PASSED) == "data audit"
    assert _next(session, audited=False)(PASSED) == ""


def test_what_was_interrupted_is_resumed_once_there_is_a_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = _next(Session(Home(tmp_path)), audited=True)
    assert [after(ended) for ended in (LOST, CANCELLED)] == ["", ""]
    monkeypatch.setattr("runners.ledger.find.find_ledger", lambda runs, of: tmp_path)
    assert [after(ended) for ended in (LOST, CANCELLED)] == ["data resume", "data resume"]
    assert after(FAILED) == ""
