"""Whatever is wrong says why, as far as it is known; and that no cause is known, where none is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.audit.causes import UNKNOWN, Causes, Fault, Outage, outages, phrase
from runners.audit.judge import Finding
from runners.audit.run import write_findings
from runners.ledger.attempt import Attempt, Batch, Flag, Outcome, Settled
from runners.ledger.items import Signal
from runners.ledger.reader import Fate, fates
from runners.ledger.refusals import Refusal
from tests.unit.audit.small import START, all_acked, fate, full_store, judged, requests, some_batch, without

S = 10**9
BATCH = Batch(0, "logs", 1, 0)


def attempt(at_s: float, *, batch: Batch = BATCH, number: int = 0, flags: Flag = Flag.NONE) -> Attempt:
    return Attempt(batch, number, flags, 5, 1, 5, START, START + S, 100, 7, START + round(at_s * S))


def why(of: Fate, wrong: str = "lost", **meanwhile: list[Fault] | list[Outage]) -> str:
    finding = Finding(wrong, "logs", "acme", {}, START, BATCH)  # type: ignore[arg-type]
    return Causes({BATCH: of}, **meanwhile).why(finding)  # type: ignore[arg-type]


def test_where_nothing_is_known_that_is_said() -> None:
    assert why(fates([(attempt(1), Settled(Outcome.ACKED, 200))])[BATCH]) == UNKNOWN == "no cause known"


def test_what_became_of_its_own_request_is_told() -> None:
    known = [
        (attempt(1), Settled(Outcome.UNKNOWN)), (attempt(2, number=1), Settled(Outcome.UNKNOWN, 503)),
        (attempt(3, number=2), Settled(Outcome.ACKED, 200)),
    ]  # fmt: skip
    assert why(fates(known)[BATCH]) == "2 of 3 attempts of its request had no known outcome"
    partial = fates([(attempt(1), Settled(Outcome.PARTIAL, 400, 2))])[BATCH]
    assert why(partial) == "its request was taken in part: 2 of 5 items refused, 400 Bad Request"
    rejected = fates([(attempt(1), Settled(Outcome.REJECTED, 413))])[BATCH]
    assert why(rejected, "stored_though_rejected").startswith("its request was refused: 413 ")
    unsent = fates([(attempt(1), Settled(Outcome.REFUSED, 0))])[BATCH]
    assert why(unsent, "stored_though_rejected") == "its request never was sent"
    again = [(attempt(1), Settled(Outcome.ACKED, 200)), (attempt(2, flags=Flag.RESEND), Settled(Outcome.ACKED, 200))]
    assert why(fates(again)[BATCH], "duplicated") == "its request was sent again on purpose"
    assert why(fates(again)[BATCH], "lost") == UNKNOWN


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([("logs", 413, "too large; cut it", 0.0, 9.0)], ' ("too large, cut it")'),
        ([("logs", 413, "too large", 0.0, 9.0), ("logs", 413, "also", 0.0, 9.0)], ' (such as "too large")'),
        ([("logs", 413, "too large", 0.0, 9.0), ("logs", 413, "", 0.0, 9.0)], ' (such as "too large")'),
        ([("logs", 413, "", 0.0, 9.0)], ""),
        ([("logs", 413, "earlier", -50.0, 0.5), ("logs", 413, "later", 99.0, 99.0)], ""),
        ([("logs", 400, "another", 0.0, 9.0), ("traces", 413, "of others", 0.0, 9.0)], ""),
        ([], ""),
    ],
)
def test_what_was_said_to_a_request_is_told_as_far_as_it_is_known(
    said: list[tuple[Signal, int, str, float, float]], words: str
) -> None:
    """Times: seconds after the start; the request was sent after one."""
    known = [
        Refusal(0, signal, status, text, 3, START / S + first, START / S + last)
        for signal, status, text, first, last in said
    ]
    rejected = fates([(attempt(1), Settled(Outcome.REJECTED, 413))])[BATCH]
    finding = Finding("stored_though_rejected", "logs", "acme", {}, START, BATCH)
    found = Causes({BATCH: rejected}, said=known).why(finding)
    assert found == f"its request was refused: {phrase(413)}{words}"


def test_requests_without_an_answer_that_follow_one_another_are_one_outage() -> None:
    told = [(attempt(at), Settled(Outcome.UNKNOWN, 0, 0, 100_000)) for at in (10, 10.5, 11.9)]
    told += [(attempt(30), Settled(Outcome.UNKNOWN, 503)), (attempt(12), Settled(Outcome.ACKED, 200))]
    found = outages(told)
    assert [(one.requests, one.statuses) for one in found] == [(3, ()), (1, (503,))]
    assert str(found[0]) == f"3 requests got no answer within 2.0 s from {START / S + 10:.3f}"
    assert str(found[1]).startswith("a request answered 503 Service Unavailable")


@pytest.mark.parametrize(("at_s", "known"), [(0.5, True), (3.0, False)])
def test_what_happened_meanwhile_is_told_and_what_happened_later_is_not(at_s: float, known: bool) -> None:
    of = fates([(attempt(1), Settled(Outcome.ACKED, 200))])[BATCH]
    at = START / S + at_s
    fault, outage = Fault("f1", "kill", "ingest", at, at + 0.4), Outage(at + 0.1, at + 0.3, 4)
    told = why(of, faults=[fault], outages=[outage])
    assert told == (f"fault kill ingest overlapped; {outage}" if known else UNKNOWN)


def test_gaps_and_findings_carry_it(tmp_path: Path) -> None:
    batch = some_batch()
    ledger = all_acked() | {batch: fate(batch, Outcome.ACKED, unknown=1, attempts=2)}
    found = judged(without(batch), ledger)
    (gap,) = found.gaps
    assert gap.to_json()["why"] == "1 of 2 attempts of its request had no known outcome"
    write_findings(tmp_path / "lost.ndjson", found.findings)
    lines = [json.loads(line) for line in (tmp_path / "lost.ndjson").read_text().splitlines()]
    assert {line["why"] for line in lines} == {gap.why} and len(lines) == len(requests()[batch])


def test_a_loss_without_a_cause_says_so() -> None:
    store = full_store()
    store.rows["acme", "logs"].pop(3)
    found = judged(store)
    assert [gap.why for gap in found.gaps] == [one.why for one in found.findings] == [UNKNOWN]
