"""The OpenAPI document says all of it: who may, what can go wrong, and examples that the API itself accepts."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from observastack.backend.openapi.document import PUBLIC, TAGS
from observastack.tests.backend.serving import PREFIX, Backend

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document(served: Backend) -> dict[str, Any]:
    found: dict[str, Any] = served.client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """(method, path, operation)"""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def valid(example: Any, schema: dict[str, Any], document: dict[str, Any], where: str) -> None:
    try:
        jsonschema.validate(example, {**schema, "components": document["components"]})
    except jsonschema.ValidationError as error:
        pytest.fail(f"{where}: {error.message} at {list(error.absolute_path)}")


def test_every_operation_needs_a_token_or_is_known_to_be_public(document: dict[str, Any]) -> None:
    schemes = set(document["components"]["securitySchemes"])
    for _, path, operation in operations(document):
        if operation["operationId"] in PUBLIC:
            assert "security" not in operation, path
        else:
            assert operation["security"], path
            assert {name for one in operation["security"] for name in one} <= schemes


def test_operations_have_names_of_their_own_and_described_tags(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)
    assert {"post_search", "get_alerts_by_alert_id", "get_admin_tenants"} <= set(names)
    described = {tag["name"] for tag in document["tags"]}
    for _, path, operation in operations(document):
        assert set(operation["tags"]) <= described <= set(TAGS), path
        assert operation["description"], path


def test_every_error_is_declared_with_an_example_of_the_envelope(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where, responses = f"{method} {path}", operation["responses"]
        if operation["operationId"] not in PUBLIC:
            assert {"401", "403", "429", "503"} <= set(responses), where
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= set(responses), where
        if "{" in path and operation["operationId"] != "get_metrics_labels_by_label_values":
            assert {"404"} <= set(responses), where
        for status, answer in responses.items():
            if status.startswith(("4", "5")) and operation["operationId"] != "get_health_ready":
                content = answer["content"]["application/json"]
                assert content["schema"]["$ref"].endswith("/ErrorEnvelope"), f"{where} {status}"
                valid(content["example"], content["schema"], document, f"{where} {status}")
        assert "X-Request-ID" in next(iter(responses.values()))["headers"]
        if "429" in responses:
            assert "Retry-After" in responses["429"]["headers"]


def test_every_body_and_every_answer_has_a_valid_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            assert "example" in content, where
            valid(content["example"], content["schema"], document, where)
        (success,) = [status for status in operation["responses"] if status.startswith("2")]
        for kind, content in operation["responses"][success].get("content", {}).items():
            assert "example" in content, where
            if kind == "application/json":
                valid(content["example"], content["schema"], document, where)
            else:
                assert isinstance(content["example"], str), where


def test_the_examples_of_requests_are_accepted(document: dict[str, Any], served: Backend) -> None:
    for method, path, operation in operations(document):
        if "requestBody" not in operation:
            continue
        body = operation["requestBody"]["content"]["application/json"]["example"]
        who = "platform-admin" if path.startswith((f"{PREFIX}/admin/tenants", f"{PREFIX}/test-data")) else None
        who = who or ("acme-tenant_admin" if "security" in operation else None)
        target = re.sub(r"{\w+}", str(uuid.uuid4()), path.removeprefix(PREFIX))
        answer = served.call(who, method.upper(), target, json=body)
        # 401, 404 and 409 are about the token, the object and its state, not about what was sent.
        assert answer.status_code in (200, 201, 401, 404, 409), f"{method} {path}: {answer.text[:300]}"


def test_a_token_of_nobody_is_refused_everywhere(document: dict[str, Any], served: Backend) -> None:
    for method, path, operation in operations(document):
        if operation["operationId"] in PUBLIC:
            continue
        target = re.sub(r"{\w+}", str(uuid.uuid4()), path)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic YTpi"}):
            answer = served.client.request(method, target, headers=headers, json=body)
            assert answer.status_code == 401, f"{method} {path}"
            assert answer.headers["www-authenticate"] == "Bearer"
