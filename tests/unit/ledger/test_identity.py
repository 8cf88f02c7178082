from hypothesis import given
from hypothesis import strategies as st

from runners.ledger.identity import MAX_SEQ, Identity, mix, unmix

WORDS = st.integers(0, 2**64 - 1)
OURS = Identity("0192aaaa-0000-7000-8000-000000000001", ("acme", "globex", "initech"))
OTHERS = Identity("0192aaaa-0000-7000-8000-000000000002", ("acme", "globex", "initech"))


@given(WORDS)
def test_mixing_can_be_undone(x: int) -> None:
    assert unmix(mix(x)) == x
    assert mix(unmix(x)) == x


@given(st.integers(0, 2), st.integers(0, MAX_SEQ))
def test_every_id_tells_tenant_and_number(tenant: int, number: int) -> None:
    assert OURS.of_trace_id(OURS.trace_id(tenant, number).hex()) == (tenant, number)
    assert OURS.of_span_id(OURS.span_id(tenant, number).hex()) == (tenant, number)
    assert OURS.of_log_id(OURS.log_id(tenant, number)) == (tenant, number)


@given(st.integers(0, 2), st.integers(0, MAX_SEQ), st.integers(0, 127))
def test_a_flipped_bit_is_recognised_by_the_check_word(tenant: int, number: int, bit: int) -> None:
    damaged = int(OURS.log_id(tenant, number), 16) ^ 1 << bit
    assert OURS.of_log_id(f"{damaged:032x}") is None


@given(st.integers(0, 2), st.integers(0, 100_000), st.integers(0, 63))
def test_a_flipped_bit_in_a_span_id_names_no_item_that_could_exist(tenant: int, number: int, bit: int) -> None:
    damaged = int(OURS.span_id(tenant, number).hex(), 16) ^ 1 << bit
    found = OURS.of_span_id(f"{damaged:016x}")
    assert found is None or found[1] > 1_000_000


@given(st.integers(0, 2), st.integers(0, MAX_SEQ))
def test_another_run_does_not_recognise_the_ids(tenant: int, number: int) -> None:
    assert OTHERS.of_trace_id(OURS.trace_id(tenant, number).hex()) is None
    assert OTHERS.of_log_id(OURS.log_id(tenant, number)) is None


def test_text_that_is_no_id_is_nobodys() -> None:
    for text in (None, "", "xyz", "0" * 31, "g" * 32, 7):
        assert OURS.of_log_id(text) is None
    assert OURS.of_trace_id("0" * 32) is None
    assert OURS.of_span_id("not hex at all!!") is None


def test_instance_ids_are_uuids_of_version_8() -> None:
    import uuid

    ids = {OURS.instance_id(tenant, number) for tenant in range(3) for number in range(50)}
    assert len(ids) == 150
    assert {uuid.UUID(text).version for text in ids} == {8}
    assert {uuid.UUID(text).variant for text in ids} == {uuid.RFC_4122}
