"""References to runs, the lease's content, and what reconciling costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.lib import locks
from runners.lib.errors import FileError, Leased
from runners.lib.home import Home
from runners.lib.ids import new_run_id
from runners.orchestrator import lease, service
from runners.orchestrator.reconcile import reconcile


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home")
    place.create()
    return place


def record(home: Home, parent: str | None = None) -> str:
    """A run folder as a campaign (or a stage of one) leaves it."""
    while (run := new_run_id()) < max(os.listdir(home.runs), default=""):
        pass  # two ids of one millisecond have no order
    home.run(run).mkdir()
    spec = {"stages": []} if parent is None else {"campaign_run": parent}
    (home.run(run) / "spec.json").write_text(json.dumps(spec))
    return run


def test_last_counts_campaigns_only_newest_first(home: Home) -> None:
    first = record(home)
    second = record(home)
    record(home, parent=second)
    assert service.find_run(home, "last") == second
    assert service.find_run(home, "last~1") == first
    with pytest.raises(FileError, match="no run 'last~2'"):
        service.find_run(home, "last~2")


def test_a_prefix_names_a_run_and_a_stage_its_campaign(home: Home) -> None:
    run = record(home)
    stage = record(home, parent=run)
    assert service.find_run(home, run[:30]) == run
    assert service.find_run(home, stage) == run
    for reference in ("last~x", "zzzzzz", run[:5]):
        with pytest.raises(FileError):
            service.find_run(home, reference)


def test_a_lease_names_its_holder_until_it_is_released(home: Home) -> None:
    place = home.env("local")
    taken = lease.take(home, place, "run-1")
    assert isinstance(taken, lease.Lease)
    found = lease.holder(place)
    assert found is not None
    assert found["run"] == "run-1"
    assert place.lease.stat().st_size == 512, "in place: one write of 512 bytes"
    with pytest.raises(Leased, match="run-1"):
        service.check_lease(home, "local")
    assert isinstance(lease.take(home, place, "run-2"), lease.Busy)
    taken.release()
    assert lease.holder(place) is None
    service.check_lease(home, "local")


def test_a_free_lease_of_an_unfinished_run_is_not_taken(home: Home) -> None:
    place = home.env("local")
    taken = lease.take(home, place, "run-1")
    assert isinstance(taken, lease.Lease)
    os.close(taken._fd)  # as the kernel does when its process dies
    (home.live / "run-1").touch()
    assert lease.take(home, place, "run-2") == lease.Busy("run-1", None, final=True)
    with pytest.raises(Leased, match="run-1"):
        service.check_lease(home, "local")
    assert isinstance(lease.take(home, place, "run-1"), lease.Lease), "its own successor gets it"


def test_a_lease_of_a_finished_run_is_free(home: Home) -> None:
    place = home.env("local")
    taken = lease.take(home, place, "run-1")
    assert isinstance(taken, lease.Lease)
    os.close(taken._fd)
    assert isinstance(lease.take(home, place, "run-2"), lease.Lease)


def test_reconcile_looks_at_live_marks_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        record(home)
    asked: list[str] = []
    monkeypatch.setattr(locks, "held", lambda path: asked.append(str(path)) or True)
    assert reconcile(home) == []
    assert asked == []
    (home.live / "abc").touch()
    assert reconcile(home) == []
    assert asked == [str(home.run("abc") / "coord.lock")]


def test_the_shim_loads_neither_site_packages_nor_anything_heavy() -> None:
    folder = Path(service.__file__).parent
    program = (
        f"import sys; sys.argv = ['x']; sys.path[0] = {str(folder)!r}\n"
        f"exec(compile(open({str(folder / 'start_shim.py')!r}).read(), 'start_shim.py', 'exec'), {{'__name__': 'x'}})\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "runners" in loaded
    assert not loaded & {"pydantic", "yaml", "sqlalchemy", "asyncio", "site"}
