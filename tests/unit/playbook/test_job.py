"""A playbook as a stream of events, and its end when it is cancelled."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from runners.lib import proc
from runners.playbook.job import run
from runners.playbook.mask import MASKED, Mask

HOSTS = """\
platform:
  hosts:
    localhost:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    return tmp_path


def playbook(folder: Path, tasks: str) -> Path:
    path = folder / "play.yml"
    path.write_text(f"- hosts: platform\n  gather_facts: false\n  tasks:\n{tasks}")
    return path


def test_tasks_become_events_and_secrets_do_not(folder: Path) -> None:
    events: list[dict[str, Any]] = []
    path = playbook(
        folder,
        "    - {name: Say it, ansible.builtin.command: echo hidden-value}\n"
        "    - {name: Skip it, ansible.builtin.debug: {msg: no}, when: false}\n"
        "    - {name: Break it, ansible.builtin.fail: {msg: 'because of hidden-value'}}\n",
    )
    done = run(
        path, folder / "hosts.yml", folder / "job", variables={}, on_event=events.append,
        mask=Mask(lambda: ["hidden-value"]), log=folder / "log",
    )  # fmt: skip
    assert [(event["task"], event["outcome"]) for event in events] == [
        ("Say it", "changed"), ("Skip it", "skipped"), ("Break it", "failed"),
    ]  # fmt: skip
    assert (done.status, done.changed, done.modules) == ("failed", 1, 1)
    assert (done.failed_task, done.message) == ("Break it", f"because of {MASKED}")
    assert "hidden-value" not in str(events) + (folder / "log").read_text()
    assert not (folder / "job").exists()


def test_a_playbook_that_cannot_be_read_fails_with_its_message(folder: Path) -> None:
    path = playbook(folder, "    - {name: Unknown, ansible.builtin.no_such_module: {}}\n")
    done = run(path, folder / "hosts.yml", folder / "job", variables={}, on_event=lambda event: None)
    assert done.status == "failed" and done.message


@pytest.mark.parametrize("wanted", [1, 2], ids=["orderly", "at once"])
def test_a_cancelled_playbook_leaves_no_process_and_no_file(folder: Path, wanted: int) -> None:
    """ansible-runner's own cancel leaves the worker and its command alive: they are sessions of their own."""
    mark = uuid.uuid4().hex
    path = playbook(folder, "    - {name: Sleep, ansible.builtin.command: sleep 600}\n")
    began: list[float] = []

    def cancel() -> int:
        if not began and any(b"sleep" in _program(pid) for pid in proc.carriers("TEST_MARK", mark)):
            began.append(time.monotonic())
        return wanted if began else 0

    done = run(
        path, folder / "hosts.yml", folder / "job", variables={}, on_event=lambda event: None,
        environ={"TEST_MARK": mark}, cancel=cancel,
    )  # fmt: skip
    took = time.monotonic() - began[0]
    assert done.status == "cancelled"
    assert took < 8
    assert proc.carriers("TEST_MARK", mark) == []
    assert not (folder / "job").exists()


def _program(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return b""
