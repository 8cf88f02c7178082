"""What a series of attempts says about an outage: invariants over any series, and the cases that were argued about."""

from hypothesis import given
from hypothesis import strategies as st

from runners.probes.attempt import Attempt
from runners.probes.recovery import assess, steady

CADENCE = 0.05


def series(outcomes: str, start: float = 100.0, took: float = 0.002) -> list[Attempt]:
    """One letter an attempt: `.` ok, `x` failed, `r` refused."""
    names = {".": "ok", "x": "failed", "r": "refused"}
    return [
        Attempt(start + n * CADENCE, start + n * CADENCE + took, names[letter])  # type: ignore[arg-type]
        for n, letter in enumerate(outcomes)
    ]


def test_a_crash_is_detected_at_its_first_failure_and_over_at_the_first_of_three_successes() -> None:
    found = assess(series("....xxxx....."), injected_at=100.16)
    assert found.time_to_detect_s is not None and abs(found.time_to_detect_s - 0.042) < 1e-6
    assert found.time_to_recover_s is not None and abs(found.time_to_recover_s - 0.24) < 1e-6
    assert (found.failed, found.relapses) == (4, 0)


def test_nothing_failed_is_no_symptom_and_no_number() -> None:
    found = assess(series("........"), injected_at=100.1)
    assert not found.symptom
    assert (found.time_to_detect_s, found.time_to_recover_s) == (None, None)


def test_an_attempt_under_way_at_the_injection_detects_nothing() -> None:
    assert not assess(series("..x......"), injected_at=100.101).symptom


def test_two_successes_in_a_row_are_not_a_recovery() -> None:
    assert assess(series("..xx..xx..x"), injected_at=100.0).recovered_at is None


def test_a_refusal_is_neither_a_symptom_nor_a_proof_of_service() -> None:
    assert not assess(series("..rrrr...."), injected_at=100.0).symptom
    found = assess(series("..x..r..r..."), injected_at=100.0)
    assert found.recovered_at == 100.0 + 9 * CADENCE


def test_answers_that_come_only_after_the_revert_are_no_recovery_before_it() -> None:
    paused = series("..xxxx", took=1.0) + series("......", start=100.3, took=0.7)
    found = assess(paused, injected_at=100.1, not_before=100.45)
    assert found.recovered_at is not None and found.recovered_at >= 100.45


def test_a_success_that_waited_for_the_service_counts_from_its_answer() -> None:
    found = assess(series("..xx") + series("......", start=100.2, took=0.27), injected_at=100.0)
    assert found.recovered_at == found.answered_at == 100.2 + 0.27
    prompt = assess(series("..xx") + series("......", start=100.2, took=0.14), injected_at=100.0)
    assert prompt.recovered_at == 100.2


def test_a_failure_long_after_the_fault_has_another_cause() -> None:
    assert not assess(series(".........x..."), injected_at=100.0, until=100.3).symptom


def test_a_hang_is_known_only_when_the_attempt_gives_up() -> None:
    found = assess([Attempt(100.1, 101.1, "failed")], injected_at=100.0)
    assert found.symptom_at == 100.1 and found.detected_at == 101.1


outcomes = st.text(alphabet=".xr", max_size=60)


@given(outcomes, st.floats(99.5, 103.5))
def test_detection_lies_between_injection_and_recovery(letters: str, injected_at: float) -> None:
    found = assess(series(letters), injected_at)
    if found.symptom_at is not None and found.detected_at is not None:
        assert injected_at <= found.symptom_at <= found.detected_at
        if found.recovered_at is not None:
            assert found.recovered_at > found.symptom_at
    else:
        assert found.recovered_at is None and found.failed == 0


@given(outcomes, st.floats(99.5, 103.5))
def test_three_successes_follow_a_recovery_and_none_came_before(letters: str, injected_at: float) -> None:
    attempts = series(letters)
    found = assess(attempts, injected_at)
    after = [attempt for attempt in attempts if found.symptom_at is not None and attempt.started >= found.symptom_at]
    text = "".join({"ok": ".", "failed": "x", "refused": "r"}[attempt.outcome] for attempt in after)
    place = text.find("...")
    assert found.recovered_at == (after[place].started if place >= 0 and found.symptom else None)


@given(outcomes, st.floats(99.5, 103.5))
def test_more_successes_at_the_end_always_end_an_outage(letters: str, injected_at: float) -> None:
    found = assess(series(letters + "..."), injected_at)
    assert found.recovered_at is not None or not found.symptom


@given(st.integers(0, 30), st.integers(1, 30), st.integers(3, 30), st.floats(0, CADENCE, exclude_max=True))
def test_the_resolution_is_within_two_cadences(before: int, down: int, after: int, offset: float) -> None:
    """The truth lies at most one cadence before what the probe saw, at both ends."""
    dies, lives = 100 + before * CADENCE - offset, 100 + (before + down) * CADENCE - offset
    found = assess(series("." * before + "x" * down + "." * after), injected_at=dies)
    assert found.time_to_detect_s is not None and found.time_to_recover_s is not None
    assert 0 <= found.time_to_detect_s <= CADENCE + 0.003
    assert 0 <= found.time_to_recover_s - (lives - dies) <= CADENCE + 1e-6


def test_steady_means_the_last_ones() -> None:
    assert steady(series("xx..."), 3)
    assert not steady(series("...x"), 3)
    assert not steady(series(".."), 3)


def test_without_a_symptom_only_successes_after_the_injection_count_as_service() -> None:
    assert assess(series("........"), injected_at=100.19).served == 4
    assert assess(series("....rrrr"), injected_at=100.19).served == 0
    assert assess(series("........"), injected_at=200.0).served == 0, "the prober died before the fault"


def test_successes_of_long_ago_are_no_steady_state() -> None:
    assert steady(series("....."), 5, since=100.1)
    assert not steady(series("....."), 5, since=100.3)
