"""Failure signatures: counted by kind, three samples, no secrets."""

import json

import pytest

from runners.load.failures import Failures, kind_of, redact
from runners.target import Answer


def test_failures_of_one_kind_are_counted_once_with_three_samples() -> None:
    failures = Failures()
    answer = Answer(503, {"error": {"code": "unavailable"}}, 0.01, '{"error": 1}', {"X-Request-ID": "r-9"})
    new = [failures.record("search.logs", kind_of(answer, None), answer, tenant="acme") for _ in range(10)]
    assert new == [True] + [False] * 9
    (found,) = failures.all()
    assert (found.name, found.count, len(found.samples)) == ("search.logs: HTTP 503 unavailable", 10, 3)
    assert found.first_seen <= found.last_seen
    assert found.samples[0]["request_id"] == "r-9"
    assert failures.content_errors("search.logs") == []


def test_wrong_content_is_told_apart_from_errors() -> None:
    failures = Failures()
    failures.record("search.logs", "content: x", None, tenant="acme", content=True)
    assert [item.kind for item in failures.content_errors("search.logs")] == ["content: x"]


@pytest.mark.parametrize(
    ("answer", "error", "kind"),
    [
        (Answer(500, None, 0.0), None, "HTTP 500"),
        (Answer(422, {"error": {"code": "invalid_filter"}}, 0.0), None, "HTTP 422 invalid_filter"),
        (Answer(422, {"error": "text"}, 0.0), None, "HTTP 422"),
        (Answer(0, None, 0.0), ConnectionRefusedError(111, "refused"), "ConnectionRefusedError"),
        (Answer(0, None, 0.0), None, "no answer"),
    ],
)
def test_a_failure_is_named_by_its_status_or_by_what_broke(
    answer: Answer, error: BaseException | None, kind: str
) -> None:
    assert kind_of(answer, error) == kind


def test_many_kinds_do_not_fill_the_memory() -> None:
    failures = Failures()
    for number in range(2000):
        failures.record("search.logs", f"kind {number}", None, tenant="acme")
    assert len(failures.all()) <= 501
    assert sum(item.count for item in failures.all()) == 2000


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"token {JWT} was refused",
        f'{{"detail": "{JWT}"}}',
        '{"access_token": "opaque-secret-1"}',
        '{"Password" : "opaque-secret-1", "x": 1}',
        '{"refresh_token":"opaque-secret-1',
        "Authorization: Bearer opaque-secret-1",
        "known-secret",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    shown = redact(text, ["known-secret"])
    for secret in (JWT, "opaque-secret-1", "known-secret"):
        assert secret not in shown
    assert "[redacted]" in shown


def test_a_sample_of_a_log_in_holds_no_secret_even_when_cut() -> None:
    failures = Failures()
    text = json.dumps({"padding": "p" * 390, "access_token": "opaque-secret-1" * 20})
    failures.record("auth.login", "content: x", Answer(200, None, 0.0, text), tenant="acme")
    assert "opaque-secret" not in json.dumps(failures.all()[0].to_json())
