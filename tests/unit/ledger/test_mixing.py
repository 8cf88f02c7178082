"""Whole columns of ids are those that `Identity` makes one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runners.ledger.identity import MAX_SEQ, Identity, mix
from runners.ledger.mixing import Identities, hex_words
from runners.ledger.mixing import mix as mix_all

OURS = Identity("0192aaaa-0000-7000-8000-000000000001", ("acme", "globex"))
NUMBERS = st.lists(st.integers(0, MAX_SEQ), min_size=1, max_size=20)


def texts(words: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(words.T)]


@given(NUMBERS, st.integers(0, 1))
def test_columns_of_ids_are_the_ids(numbers: list[int], tenant: int) -> None:
    ids, column = Identities(OURS), np.array(numbers, np.uint64)
    assert texts(ids.trace(tenant, column)) == [OURS.trace_id(tenant, number) for number in numbers]
    assert texts(ids.span(tenant, column)) == [OURS.span_id(tenant, number) for number in numbers]
    assert texts(ids.log(tenant, column)) == [OURS.log_id(tenant, number).encode() for number in numbers]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_mixing_and_digits_agree_with_whole_numbers(numbers: list[int]) -> None:
    column = np.array(numbers, np.uint64)
    assert mix_all(column).tolist() == [mix(number) for number in numbers]
    assert texts(hex_words(column.byteswap()[None, :])) == [f"{number:016x}".encode() for number in numbers]
