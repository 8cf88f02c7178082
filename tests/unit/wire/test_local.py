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


def test_nothing_is_acknowledged_behind_what_a_disk_took_in_part(tmp_path: Path) -> None:
    """Another sender, when there is room again: what it wrote could not be read."""

    class OnceFull(FileIO):
        written = 0

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.written += 1
            return super().write(data[:7] if self.written == 1 else data)

    line, captures = FileSink(tmp_path / "out.jsonl"), CaptureSink(tmp_path)
    captures.send(SMALL)
    line._file = OnceFull(tmp_path / "out.jsonl", "ab")
    ((path, _),) = captures._files.items()
    captures._files[path] = OnceFull(path, "ab")
    for sink in (line, captures):
        for _ in range(2):
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


@pytest.mark.parametrize("left", [-1, -7, 5, 4, 3, 1])
def test_a_request_that_was_torn_is_cut_off_before_another_is_captured(tmp_path: Path, left: int) -> None:
    """left: bytes of the second request that are there, or all but so many."""
    path = tmp_path / "acme" / "logs.otlp"
    CaptureSink(tmp_path).send(replace(SMALL, body=b"first"))
    first = path.stat().st_size
    CaptureSink(tmp_path).send(replace(SMALL, body=b"second"))
    path.write_bytes(path.read_bytes()[: left if left < 0 else first + left])
    sink = CaptureSink(tmp_path)
    for body in (b"second", b"third"):
        sink.send(replace(SMALL, body=body))
    assert list(captured(path)) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("left", [-1, 40, 5])
def test_a_line_that_was_torn_is_cut_off_before_another_is_written(tmp_path: Path, left: int) -> None:
    path = tmp_path / "out.jsonl"
    FileSink(path).send(SMALL)
    line = path.read_bytes()
    path.write_bytes(line + line[:left])
    FileSink(path).send(SMALL)
    assert path.read_bytes() == line * 2


@pytest.mark.parametrize("there", [b"notes of somebody", b"{}\nnotes", b"\x00\x00\x00\x05plain", bytes(64)])
def test_what_no_run_wrote_is_neither_cut_nor_written_behind(tmp_path: Path, there: bytes) -> None:
    for path, make in (
        (tmp_path / "out.jsonl", lambda: FileSink(tmp_path / "out.jsonl")),
        (tmp_path / "acme" / "logs.otlp", lambda: CaptureSink(tmp_path)),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(there)
        with pytest.raises(TestbedError, match="no run"):
            make().send(SMALL)
        assert path.read_bytes() == there


def test_what_another_process_is_still_writing_is_not_torn(tmp_path: Path) -> None:
    path = tmp_path / "acme" / "logs.otlp"
    first, second = CaptureSink(tmp_path), CaptureSink(tmp_path)
    first.send(replace(SMALL, body=b"first"))
    second.send(replace(SMALL, body=b"second"))
    first._files.clear()  # its process has ended
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(whole[:6])  # the second is in the middle of another one
    CaptureSink(tmp_path).send(replace(SMALL, body=b"of another length"))
    assert path.read_bytes().startswith(whole + whole[:6])
