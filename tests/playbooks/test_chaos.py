"""The chaos playbooks for real: on a supervised stand, by plain ansible-playbook, with everybody killed in turn."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.faults import journal, recover
from runners.faults.audit import entries
from runners.faults.record import FaultRecord
from runners.lib import locks, proc
from tests.command import ROOT, Testbed
from tests.supervised import Supervised, supervised

pytestmark = pytest.mark.timeout(120)


def wait(condition: Callable[[], object], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Books:
    """ansible-playbook on the stand's inventory."""

    def __init__(self, stand: Supervised) -> None:
        self.stand = stand
        self.inventory = stand.home.root.parent / "hosts.yml"
        self.inventory.write_text(
            "platform: {hosts: {localhost: {ansible_connection: local, ansible_python_interpreter: "
            f"'{sys.executable}', testbed_environment: '{stand.environment.root}'}}}}}}\n"
        )

    def start(self, book: str, *options: str, **variables: str) -> subprocess.Popen[str]:
        extra = [f"--extra-vars={name}={value}" for name, value in variables.items()]
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.inventory),
             str(ROOT / "playbooks" / "chaos" / f"{book}.yml"), *options, *extra],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env=os.environ | {"ANSIBLE_LOCAL_TEMP": str(self.inventory.parent / "tmp"), "ANSIBLE_REMOTE_TEMP": str(self.inventory.parent / "tmp")},
        )  # fmt: skip

    def run(self, book: str, *options: str, code: int = 0, **variables: str) -> str:
        process = self.start(book, *options, **variables)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == code, output
        return output

    def inject(self, fault: str, target: str, ttl: str) -> FaultRecord:
        self.run("inject", chaos_fault=fault, chaos_target=target, chaos_ttl=ttl)
        (record,) = journal.open_entries(self.stand.journal)
        return record

    def now(self, record: FaultRecord) -> FaultRecord:
        found = journal.read(self.stand.journal, record.id)
        assert found is not None
        return found

    def watchdog(self, record: FaultRecord) -> int:
        (pid,) = proc.carriers(proc.WATCHDOG_MARK, record.run)
        return pid

    def holder(self, record: FaultRecord) -> int:
        """The parent of the watchdog."""
        found = proc.stat(self.watchdog(record))
        assert found is not None
        return found.parent


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with supervised(tmp_path_factory.mktemp("stand")) as stand:
        yield Books(stand)


@pytest.fixture(autouse=True)
def settled(books: Books) -> Iterator[None]:
    """Every test leaves the stand as it was."""
    before = books.stand.snapshot()
    yield
    for record in journal.open_entries(books.stand.journal):
        recover.settle(books.stand.journal, record, "recover")
    books.stand.wait_clean(before)
    wait(lambda: not locks.held(books.stand.environment.chaos / "lock"))


def test_preflight_tells_what_is_possible_and_changes_nothing(books: Books) -> None:
    output = books.run("preflight")
    assert "changed=0" in output and "Linux" in output
    assert "ingest       kill, stop, pause, restart" in output
    assert "shy          kill (no: shy has not opted in" in output
    assert not list(books.stand.environment.chaos.glob("agent-*"))


def test_check_mode_tells_each_operation_and_its_inverse_and_does_nothing(books: Books) -> None:
    before, log = books.stand.snapshot(), list(entries(books.stand.home.chaos_audit))
    output = books.run("inject", "--check", chaos_fault="pause", chaos_target="ingest", chaos_ttl="20s")
    assert "inject: send SIGSTOP to every process of ingest" in output
    assert "revert: send SIGCONT to every process of ingest" in output
    assert books.stand.snapshot() == before
    assert journal.entries(books.stand.journal) == []
    assert list(entries(books.stand.home.chaos_audit)) == log


def test_a_target_that_does_not_allow_chaos_is_left_alone(tmp_path: Path) -> None:
    path = ROOT / "playbooks" / "action_plugins" / "testbed_chaos.py"
    spec = importlib.util.spec_from_file_location("testbed_chaos_action", path)
    assert spec is not None and spec.loader is not None
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    base, profile = tmp_path / "base.yml", tmp_path / "target.yml"
    base.write_text("target: {name: t, allow: {chaos: [process]}}\n")
    profile.write_text("extends: base.yml\n")
    plugin._allowed(profile, "process")
    with pytest.raises(plugin.AnsibleActionFail, match="chaos of kind container"):
        plugin._allowed(profile, "container")
    for text, problem in (
        ("target: {name: t, production: true, allow: {chaos: [process]}}", "is in production"),
        ("target: {name: t, allow: {chaos: []}}", "does not allow chaos"),
        ("extends: nowhere.yml", "no such file"),
    ):
        profile.write_text(text)
        with pytest.raises(plugin.AnsibleActionFail, match=problem):
            plugin._allowed(profile, "process")


def test_a_fault_is_seen_by_the_command_and_reverted_by_its_playbook(books: Books) -> None:
    record = books.inject("stop", "ingest", "60s")
    assert record.state == "ACTIVE" and books.stand.snapshot()["ingest"]["processes"] == 0
    command = Testbed(books.stand.home.root)
    (seen,) = command.json("chaos", "list")["open"]
    assert (seen["id"], seen["fault"], seen["target"]) == (record.id, "stop", "ingest")
    assert "changed=1" in books.run("revert")
    assert books.now(record).state == "REVERTED"
    log = [item for item in command.json("chaos", "audit")["items"] if item.get("id") == record.id]
    assert (log[0]["action"], log[0]["result"]) == ("inject", "planned")
    assert log[1]["via"] == "ansible" and "@" in log[1]["asked_by"]
    assert (log[-1]["action"], log[-1]["result"]) == ("revert", "REVERTED")


def test_the_fault_ends_by_its_time_to_live_though_ansible_and_its_holder_are_gone(books: Books) -> None:
    """Ansible is killed the moment the fault is in; the holder hangs; nobody of ours runs but the watchdog."""
    process = books.start("inject", chaos_fault="pause", chaos_target="ingest", chaos_ttl="5s")
    wait(lambda: any(item.state == "ACTIVE" for item in journal.open_entries(books.stand.journal)))
    (record,) = journal.open_entries(books.stand.journal)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    for pid in proc.descendants(os.getpid()):
        assert str(ROOT / "playbooks") not in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    os.kill(books.holder(record), signal.SIGSTOP)
    assert books.stand.snapshot()["ingest"]["stopped"] == 3
    wait(lambda: books.now(record).state == "REVERTED")
    found = books.now(record)
    assert found.by == "watchdog" and found.reverted_at is not None
    assert found.reverted_at - found.deadline < 2.0


def test_recover_settles_what_a_dead_holder_and_a_dead_watchdog_left(books: Books) -> None:
    record = books.inject("pause", "ingest", "60s")
    watchdog, holder = books.watchdog(record), books.holder(record)
    for pid in (watchdog, holder):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not journal.watched(books.stand.journal, record.run))
    assert books.stand.snapshot()["ingest"]["stopped"] == 3
    assert "would settle pause on ingest" in books.run("recover", "--check")
    assert books.now(record).state == "ACTIVE"
    assert "pause on ingest: reverted" in books.run("recover")
    assert books.now(record).by == "recover"


def test_the_audit_log_of_the_host_is_json_lines(books: Books) -> None:
    lines = books.stand.home.chaos_audit.read_text().splitlines()
    assert all({"ts", "who", "action", "result"} <= json.loads(line).keys() for line in lines)
