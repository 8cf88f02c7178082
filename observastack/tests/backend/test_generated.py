"""Requests that nobody thought of, generated from the OpenAPI document: no 500, no hang, no undeclared answer.

A few for each operation in every run; OBSERVASTACK_GENERATED=full makes it 100, and 1,000 for search and log-in.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from observastack.tests.backend.serving import PREFIX, Backend

FULL = os.environ.get("OBSERVASTACK_GENERATED") == "full"
PATIENCE_S = 15
AREAS = ("health", "auth", "meta", "search", "signals", "alerts", "insights", "admin", "test data")
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
TOKEN_S = 120
_logged_in: dict[str, float] = {}
load_all_checks()


def examples(area: str) -> int:
    """For each operation, half of them valid and half of them not."""
    if not FULL:
        return 6
    return 1_000 if area in ("search", "auth") else 100


@pytest.fixture(scope="module")
def schema(served: Backend) -> Any:
    return schemathesis.openapi.from_dict(served.client.get("/openapi.json").json())


@pytest.fixture(autouse=True)
def undone(served: Backend) -> Iterator[None]:
    """What generated requests of a platform admin set up must not trouble the tests after."""
    yield
    for source in ("logs", "metrics", "traces"):
        served.post("platform-admin", "/test-data/faults", {"source": source})
    body = {"requests_per_minute": None, "retention_days": None, "anomaly_sigma": None}
    served.call("platform-admin", "PUT", "/admin/settings", json=body)


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("area", AREAS)
def test_generated_requests_get_declared_answers_in_time(area: str, served: Backend, schema: Any) -> None:
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if area not in operation.tags:
            continue
        for mode in MODES:
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                _send_all(strategy, served, examples(area) // 2, statuses)
            except Exception as error:
                if type(error).__name__ in ("Unsatisfiable", "SkipTest"):
                    continue  # without a parameter there is nothing that could be invalid
                wrong.append(f"{operation.label} {mode.value}: {_told(error)}")
    if area in ("meta", "insights", "search", "signals"):
        assert statuses[200] >= sum(statuses.values()) // 6, statuses  # the valid half is let in
    print(f"{area}: {sum(statuses.values())} requests, {dict(sorted(statuses.items()))}")
    assert not wrong, "\n\n".join(wrong)
    assert statuses


def _send_all(strategy: Any, served: Backend, count: int, statuses: Counter[int]) -> None:
    @settings(
        max_examples=count, deadline=None, database=None, derandomize=not FULL,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=strategy)
    def send(case: schemathesis.Case[Any]) -> None:
        _tame(case)
        started = time.monotonic()
        response = case.call(
            base_url=str(served.client.base_url),
            headers=_headers(case, served),
            timeout=PATIENCE_S,
            allow_redirects=False,
        )
        statuses[response.status_code] += 1
        assert response.status_code != 500, response.text
        assert time.monotonic() - started < PATIENCE_S
        case.validate_response(response, checks=CHECKS)

    send()


def _tame(case: schemathesis.Case[Any]) -> None:
    """A seed of a hundred thousand items is valid and says nothing new."""
    if case.path == f"{PREFIX}/test-data/seed" and isinstance(case.body, dict):
        for signal in ("logs", "traces", "metrics"):
            if isinstance(count := case.body.get(signal), int):
                case.body[signal] = min(count, 20)


def _headers(case: schemathesis.Case[Any], served: Backend) -> dict[str, str]:
    if case.path.endswith("/alerts/webhook/alertmanager"):
        return {"Authorization": f"Bearer {_webhook_token(served)}"}
    if case.path.endswith(("/auth/logout", "/auth/login", "/auth/refresh")):
        return {}  # what would end the session of the others
    platform = case.path.startswith((f"{PREFIX}/admin", f"{PREFIX}/test-data"))
    return {"Authorization": f"Bearer {_token('platform-admin' if platform else 'acme-tenant_admin', served)}"}


def _token(username: str, served: Backend) -> str:
    """A new one in time: an expired token would test nothing but that it has expired."""
    if time.monotonic() - _logged_in.get(username, float("-inf")) > TOKEN_S:
        served._tokens.pop(username, None)
        _logged_in[username] = time.monotonic()
    return served.token(username)


def _webhook_token(served: Backend) -> str:
    import json

    file = served.config.webhook_tokens_file
    return "" if file is None else str(json.loads(file.read_text())["acme"])


def _told(error: BaseException) -> str:
    inner = error.exceptions if isinstance(error, FailureGroup) else [error]
    return " | ".join(f"{type(one).__name__}: {str(one)[:900]}" for one in inner)
