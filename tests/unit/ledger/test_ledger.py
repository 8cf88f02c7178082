from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.ledger.attempt import (
    OUTCOME_OFFSET,
    ROW_BYTES,
    Attempt,
    Batch,
    Flag,
    Outcome,
    Settled,
    pack,
    pack_outcome,
    unpack,
)
from runners.ledger.header import ROWS, SCENARIO, Header, read_header
from runners.ledger.items import SIGNALS
from runners.ledger.reader import Totals, being_written, fates, read_attempts, totals
from runners.ledger.writer import LedgerWriter
from runners.lib.errors import NotReady, TestbedError

U16, U32, U64 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
BATCHES = st.builds(Batch, U16, st.sampled_from(SIGNALS), U32, U16)
ATTEMPTS = st.builds(
    Attempt, BATCHES, U16, st.sampled_from(list(Flag)), U32, U64, U64, U64, U64, U32, U32, U64, st.integers(0, 255)
)
OUTCOMES = st.builds(Settled, st.sampled_from(Outcome), U16, U32, U32)
HEADER = Header("run", "local", "null:", "smoke", "0" * 64, 42, 10**18, 8.0, ("acme", "globex"), "0.1.0")


def attempt(tick: int, number: int = 0, *, items: int = 10, flags: Flag = Flag.NONE) -> Attempt:
    return Attempt(Batch(0, "logs", tick, 0), number, flags, items, 0, 9, 1, 2, 100, 7, 5)


def written(folder: Path, rows: list[tuple[Attempt, Settled | None]]) -> Path:
    ledger = LedgerWriter(folder, HEADER, b"scenario: x\n")
    for one, settled in rows:
        row = ledger.begin(one)
        if settled is not None:
            ledger.settle(row, settled)
    ledger.close()
    return folder


@given(ATTEMPTS, OUTCOMES, U32)
def test_a_row_reads_back_as_it_was_written(one: Attempt, settled: Settled, row: int) -> None:
    data = pack(one)
    assert len(data) == ROW_BYTES
    assert unpack(data, row) == (one, Settled(Outcome.UNKNOWN))
    assert unpack(data[:OUTCOME_OFFSET] + pack_outcome(row, settled), row) == (one, settled)


@given(ATTEMPTS, OUTCOMES, st.integers(0, ROW_BYTES * 8 - 1))
def test_a_flipped_bit_is_never_read_as_something_else(one: Attempt, settled: Settled, bit: int) -> None:
    data = bytearray(pack(one)[:OUTCOME_OFFSET] + pack_outcome(3, settled))
    data[bit // 8] ^= 1 << bit % 8
    assert unpack(bytes(data), 3) is None


def test_an_outcome_never_spans_two_pages() -> None:
    assert all((row * ROW_BYTES + OUTCOME_OFFSET) % 4096 <= 4096 - 16 for row in range(10_000))


@given(st.integers(0, 4 * ROW_BYTES))
def test_a_ledger_cut_anywhere_still_tells_what_it_holds(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        rows: list[tuple[Attempt, Settled | None]] = [(attempt(tick), Settled(Outcome.ACKED, 200)) for tick in range(4)]
        folder = written(Path(name) / "ledger", rows)
        path = folder / ROWS
        path.write_bytes(path.read_bytes()[:cut])
        found = list(read_attempts(folder))
        assert len(found) == cut // ROW_BYTES
        assert all(settled.outcome is Outcome.ACKED for _, settled in found)


def test_a_damaged_row_in_the_middle_is_an_error(tmp_path: Path) -> None:
    folder = written(tmp_path / "ledger", [(attempt(tick), None) for tick in range(3)])
    data = bytearray((folder / ROWS).read_bytes())
    data[ROW_BYTES + 5] ^= 1
    (folder / ROWS).write_bytes(data)
    with pytest.raises(NotReady, match="row 1"):
        list(read_attempts(folder))


@pytest.mark.parametrize("row", [1, 2])
def test_a_damaged_outcome_is_an_error_and_no_excuse_for_a_loss(tmp_path: Path, row: int) -> None:
    folder = written(tmp_path / "ledger", [(attempt(tick), Settled(Outcome.ACKED, 200)) for tick in range(3)])
    data = bytearray((folder / ROWS).read_bytes())
    data[row * ROW_BYTES + OUTCOME_OFFSET] ^= 1
    (folder / ROWS).write_bytes(data)
    with pytest.raises(NotReady, match=f"row {row}"):
        list(read_attempts(folder))


@pytest.mark.parametrize("zeros", [1, ROW_BYTES, 3 * ROW_BYTES + 7])
def test_a_tail_of_zeros_ends_a_ledger(tmp_path: Path, zeros: int) -> None:
    folder = written(tmp_path / "ledger", [(attempt(0), Settled(Outcome.ACKED, 200))])
    with (folder / ROWS).open("ab") as file:
        file.write(bytes(zeros))
    assert len(list(read_attempts(folder))) == 1
    with (folder / ROWS).open("ab") as file:
        file.write(b"\1" * (2 * ROW_BYTES - zeros % ROW_BYTES))
    with pytest.raises(NotReady, match="row 1 of the ledger is damaged"):
        list(read_attempts(folder))


def test_a_ledger_is_being_written_until_its_writer_closes_or_dies(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path / "ledger", HEADER, b"scenario: x\n")
    assert being_written(ledger.folder)
    ledger.close()
    assert not being_written(ledger.folder)


def test_an_attempt_without_an_answer_is_unknown(tmp_path: Path) -> None:
    folder = written(tmp_path / "ledger", [(attempt(0), None)])
    assert totals(fates(read_attempts(folder)).values()) == Totals(sent=10, unknown=10)


@pytest.mark.parametrize(
    ("outcomes", "fate", "copies"),
    [
        ([Outcome.ACKED], Outcome.ACKED, 1),
        ([Outcome.UNKNOWN, Outcome.ACKED], Outcome.ACKED, 2),
        ([Outcome.REFUSED, Outcome.REFUSED, Outcome.ACKED], Outcome.ACKED, 1),
        ([Outcome.UNKNOWN, Outcome.REJECTED], Outcome.UNKNOWN, 1),
        ([Outcome.REFUSED, Outcome.REJECTED], Outcome.REJECTED, 0),
        ([Outcome.REFUSED], Outcome.REFUSED, 0),
        ([Outcome.ACKED, Outcome.UNKNOWN], Outcome.ACKED, 2),
    ],
)
def test_the_fate_of_a_request_is_the_sum_of_its_attempts(
    tmp_path: Path, outcomes: list[Outcome], fate: Outcome, copies: int
) -> None:
    rows: list[tuple[Attempt, Settled | None]] = [(attempt(0, n), Settled(o)) for n, o in enumerate(outcomes)]
    (found,) = fates(read_attempts(written(tmp_path / "ledger", rows))).values()
    assert (found.outcome, found.copies, found.attempts) == (fate, copies, len(outcomes))


@pytest.mark.parametrize(
    ("statuses", "decides"), [([0, 0], 0), ([0, 429, 401], 429), ([429, 0], 429)]
)  # 0: it never was sent
def test_the_status_of_a_request_is_that_of_an_answer_if_there_was_any(
    tmp_path: Path, statuses: list[int], decides: int
) -> None:
    rows: list[tuple[Attempt, Settled | None]] = [
        (attempt(0, number), Settled(Outcome.REFUSED, status)) for number, status in enumerate(statuses)
    ]
    (found,) = fates(read_attempts(written(tmp_path / "ledger", rows))).values()
    assert (found.outcome, found.status, found.copies) == (Outcome.REFUSED, decides, 0)


def test_totals_count_an_item_once_however_often_it_was_sent(tmp_path: Path) -> None:
    rows: list[tuple[Attempt, Settled | None]] = [
        (attempt(0), Settled(Outcome.ACKED)),
        (attempt(0, flags=Flag.RESEND), Settled(Outcome.ACKED)),
        (attempt(1), Settled(Outcome.PARTIAL, 200, rejected=4)),
        (attempt(2), Settled(Outcome.REJECTED, 400)),
        (attempt(3), None),
    ]
    found = totals(fates(read_attempts(written(tmp_path / "ledger", rows))).values())
    assert found == Totals(sent=40, acked=16, rejected=14, unknown=10)


def test_the_header_reads_back(tmp_path: Path) -> None:
    assert read_header(written(tmp_path / "ledger", [])) == HEADER


def test_a_folder_without_a_ledger_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="holds no ledger"):
        read_header(tmp_path)


def test_a_ledger_is_never_written_over(tmp_path: Path) -> None:
    written(tmp_path / "ledger", [])
    before = (tmp_path / "ledger" / SCENARIO).read_bytes()
    with pytest.raises(TestbedError, match="holds a ledger already"):
        LedgerWriter(tmp_path / "ledger", HEADER, b"scenario: another\n")
    assert (tmp_path / "ledger" / SCENARIO).read_bytes() == before


def test_nothing_can_be_sent_with_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path / "ledger", HEADER, b"")
    ledger.close()
    with pytest.raises(TestbedError, match="closed"):
        ledger.begin(attempt(0))


def test_the_attempts_of_several_sinks_are_kept_apart(tmp_path: Path) -> None:
    rows = [
        (attempt(0)._replace(sink=1), Settled(Outcome.REJECTED, 400)),
        (attempt(0), Settled(Outcome.ACKED, 200)),
        (attempt(1)._replace(sink=1), Settled(Outcome.ACKED, 204)),
    ]
    folder = written(tmp_path / "ledger", [*rows])
    assert len(list(read_attempts(folder))) == 3
    assert [fate.outcome for fate in fates(read_attempts(folder, 0)).values()] == [Outcome.ACKED]
    assert [fate.outcome for fate in fates(read_attempts(folder, 1)).values()] == [Outcome.REJECTED, Outcome.ACKED]


def test_a_row_of_one_sink_is_written_as_before_there_were_several() -> None:
    assert pack(attempt(3))[:2] == bytes(2)  # signal 0, and the byte that was spare
