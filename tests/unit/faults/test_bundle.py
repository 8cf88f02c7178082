"""The agent that is copied to hosts: one file, the standard library alone, the same bytes for the same code."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runners.faults import bundle
from runners.faults.agent import main

_LOOK = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
names = sys.argv[2].split(",")
for name in names:
    importlib.import_module(name)
tops = {name.partition(".")[0] for name in sys.modules}
print(",".join(sorted(tops - set(sys.stdlib_module_names) - {"__main__"})))
"""


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    name, content = bundle.agent()
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_every_module_of_the_agent_needs_the_standard_library_alone(agent: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(agent) as archive:
        names = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in archive.namelist()]
    modules = [name for name in names if name != "__main__"]
    assert {"runners.faults.watchdog", "runners.faults.hold", "runners.faults.agent", "runners.lib.locks"} <= {*modules}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LOOK, agent, ",".join(modules)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "runners"), done.stderr


def test_the_same_code_gives_the_same_file() -> None:
    first = bundle.agent()
    bundle.agent.cache_clear()
    assert bundle.agent() == first


def test_what_cannot_be_done_is_said_in_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "env" / "local"
    for arguments, problem in (
        (["inject", "--fault", "paws", "--target", "ingest"], "did you mean 'pause'?"),
        (["inject", "--fault", "pause", "--target", "ingest"], "is not provisioned"),
        (["revert", "--id", "0192"], "no open fault '0192'"),
    ):
        assert main([*arguments, "--environment", str(folder)]) == 1
        assert problem in json.loads(capsys.readouterr().out)["error"]
    assert not tmp_path.joinpath("env").exists()
