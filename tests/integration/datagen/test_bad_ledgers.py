"""A ledger that does not tell the whole truth about its run proves nothing: it is named, with a remedy, before a store is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.datagen.auditing import audit_ledger
from runners.ledger.attempt import ROW_BYTES
from runners.lib.errors import NotReady
from runners.lib.home import Home
from tests.integration.datagen.platform import Platform, environment, serving
from tests.integration.datagen.stage import Stage, generate
from tests.integration.datagen.test_cli import testbed


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Stage]]:
    folder = tmp_path_factory.mktemp("home")
    with serving(Platform()) as platform:
        environment(folder, platform.url)
        stage = generate(folder)
        assert stage.end() == 0
        yield folder, stage


@pytest.fixture
def ledger(home: tuple[Path, Stage], tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""
    shutil.copytree(home[1].folder, tmp_path / home[1].run)
    return tmp_path / home[1].run / "artifacts" / "ledger"


def audited(home: tuple[Path, Stage], ledger: Path) -> str:
    """The verdict. Raises what is wrong with the ledger."""
    return audit_ledger(ledger, Home(home[0]), environment="local", wait_s=2).verdict


def rows(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(ledger: Path) -> None:
        path = ledger / "attempts.bin"
        path.write_bytes(change(path.read_bytes()))

    return spoil


def header(**changes: Any) -> Callable[[Path], None]:
    def spoil(ledger: Path) -> None:
        document = json.loads((ledger / "header.json").read_text())
        (ledger / "header.json").write_text(json.dumps(document | changes))

    return spoil


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda ledger: (ledger / name).write_text(content) and None


def moved(ledger: Path) -> None:
    document = json.loads((ledger / "header.json").read_text())
    header(start_ns=document["start_ns"] + 10**9)(ledger)


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a row cut in the middle": (rows(lambda data: data[:-40]), "not whole"),
    "rows cut off": (rows(lambda data: data[: 30 * ROW_BYTES]), "not whole"),
    "no rows": (lambda ledger: (ledger / "attempts.bin").unlink(), "cannot be read"),
    "a row overwritten": (rows(lambda data: data[:960] + b"\xff" * 96 + data[1056:]), "row 10 of the ledger is damaged"),
    "no header": (lambda ledger: (ledger / "header.json").unlink(), "holds no ledger"),
    "a header that is no JSON": (text("header.json", "{"), "damaged"),
    "a header without a seed": (
        text("header.json", json.dumps({"v": 2, "run": "x"})), "damaged",
    ),
    "a seed that is none": (header(seed="seven"), "seed is 'seven'"),
    "no tenants": (header(tenants=[]), "tenants"),
    "an endless run": (header(duration_s=0), "duration_s is 0"),
    "another seed": (header(seed=43), "do not make"),
    "another start": (moved, "do not make"),
    "a shorter run": (header(duration_s=1), "do not make"),
    "another run": (header(run="0192aaaa-0000-7000-8000-000000000001"), "the folder of"),
    "other tenants": (header(tenants=["acme", "globex", "umbrella"]), "not the scenario's"),
    "a newer ledger": (header(v=99), "format 99"),
    "an older ledger": (header(v=1), "does not make"),
    "a changed scenario": (
        lambda ledger: text("scenario.yaml", (ledger / "scenario.yaml").read_text() + "\n")(ledger), "was changed",
    ),
    "no scenario": (lambda ledger: (ledger / "scenario.yaml").unlink(), "scenario cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_ledger_is_said_with_a_remedy(home: tuple[Path, Stage], ledger: Path, what: str) -> None:
    spoil, message = BAD[what]
    spoil(ledger)
    with pytest.raises(NotReady, match=message) as caught:
        audited(home, ledger)
    assert caught.value.exit_code == 2
    assert caught.value.remedy, what


def test_the_copy_as_it_was_is_audited(home: tuple[Path, Stage], ledger: Path) -> None:
    assert audited(home, ledger) == "passed"


def test_the_command_says_so_and_leaves_nothing_half_written(
    home: tuple[Path, Stage], ledger: Path, tmp_path: Path
) -> None:
    BAD["rows cut off"][0](ledger)
    done = testbed(home[0], "data", "audit", str(ledger), "--json", "--findings", str(tmp_path / "found"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "not whole" in done.stderr and "→" in done.stderr and "Traceback" not in done.stderr
    for code, part, arguments in (
        (2, "cannot be written there", ("--findings", str(tmp_path / "nowhere" / "found"))),
        (64, "write loki+URL", ("--from", "http://127.0.0.1:3100")),
        (64, "two stores of logs", ("--from", "loki+http://127.0.0.1:1", "--from", "loki+http://127.0.0.1:2")),
    ):
        done = testbed(home[0], "data", "audit", str(home[1].ledger), *arguments)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert part in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("found*"))
