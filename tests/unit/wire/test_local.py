"""The file sink: what it acknowledges has left the process."""

from pathlib import Path

import pytest

from runners.ledger.attempt import Batch
from runners.lib.errors import TestbedError
from runners.wire.local import FileSink
from runners.wire.parcel import Answer, Parcel

SMALL = Parcel(Batch(0, "logs", 0, 0), "acme", b"", "key", items=1, flags=0, first_seq=0, last_seq=0, first_time=1, last_time=1)  # type: ignore[arg-type]  # fmt: skip


def test_an_acknowledged_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert FileSink(path).send(SMALL) == Answer(200)
    assert path.read_bytes().endswith(b"}\n")


def test_a_full_disk_is_an_error_before_the_acknowledgement() -> None:
    with pytest.raises(TestbedError, match="cannot write"):
        FileSink(Path("/dev/full")).send(SMALL)
