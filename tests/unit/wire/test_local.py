"""The sinks on this machine: what they acknowledge has left the process."""

from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest

from runners.ledger.attempt import Batch
from runners.lib.errors import TestbedError
from runners.wire.local import CaptureSink, FileSink, captured
from runners.wire.parcel import Answer, Parcel

SMALL = Parcel(Batch(0, "logs", 0, 0), "acme", b"", "key", items=1, flags=0, first_seq=0, last_seq=0, first_time=1, last_time=1)  # type: ignore[arg-type]  # fmt: skip


def test_an_acknowledged_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert FileSink(path).send(SMALL) == Answer(200)
    assert path.read_bytes().endswith(b"}\n")


def test_a_full_disk_is_an_error_before_the_acknowledgement() -> None:
    with pytest.raises(TestbedError, match="cannot write"):
        FileSink(Path("/dev/full")).send(SMALL)


def test_what_a_disk_took_in_part_is_not_acknowledged(tmp_path: Path) -> None:
    class AlmostFull(FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            return super().write(data[:7])

    sink = FileSink(tmp_path / "out.jsonl")
    sink._file = AlmostFull(tmp_path / "out.jsonl", "ab")
    with pytest.raises(TestbedError, match="in part only"):
        sink.send(SMALL)


def test_what_was_captured_is_what_was_sent_apart_by_tenant_and_signal(tmp_path: Path) -> None:
    sink = CaptureSink(tmp_path / "new" / "folder")
    bodies = [bytes([number]) * number for number in range(1, 40)]
    for body in bodies:
        for tenant in ("acme", "globex"):
            assert sink.send(replace(SMALL, tenant=tenant, body=memoryview(body + tenant.encode()))) == Answer(200)
    for tenant in ("acme", "globex"):
        path = tmp_path / "new" / "folder" / tenant / "logs.otlp"
        assert list(captured(path)) == [body + tenant.encode() for body in bodies]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut off"):
        list(captured(path))


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TestbedError, match="cannot write"):
        CaptureSink(tmp_path / "file" / "folder")
