"""What a single answer says about an operation."""

import json
from pathlib import Path

import pytest

from runners.lib.home import Environment
from runners.target import open_target
from runners.target.journeys import TITLE
from runners.target.operation import Answer
from runners.target.verify import _judge, _Probing

PROFILE = """\
target: {name: t, production: false}
urls: {api: "http://127.0.0.1:9"}
auth: {flow: json_login, login: {post: /login, token: $.t}}
operations:
  test_data.seed: {post: /seed}
  search.logs: {post: /search}
  alerts.list: {get: /alerts, items: $.items}
  traces.get: {get: "/traces/{trace_id}"}
required: [search.logs]
"""


def described(tmp_path: Path) -> Environment:
    environment = Environment(tmp_path / "env" / "local")
    environment.secrets.mkdir(parents=True)
    environment.identities.write_text(json.dumps({"tenants": [], "users": []}))
    path = tmp_path / "target.yml"
    path.write_text(PROFILE)
    environment.state.write_text(json.dumps({"v": 1, "kind": "external", "target_file": str(path)}))
    return environment


@pytest.mark.parametrize(
    ("name", "status", "state"),
    [
        ("test_data.seed", 201, "ok"), ("test_data.seed", 500, "failed"), ("test_data.seed", 501, "not_applicable"),
        ("search.logs", 501, "failed"),
    ],
)  # fmt: skip
def test_what_a_deployment_does_not_support_is_no_failure_unless_it_is_required(
    tmp_path: Path, name: str, status: int, state: str
) -> None:
    with open_target(described(tmp_path)) as target:
        operation = target.operation(name)
        assert operation is not None
        assert _judge(target, operation, Answer(status, {}, 0.01), known_trace=False).state == state


@pytest.mark.parametrize(
    ("status", "known_trace", "state"),
    [(404, False, "not_applicable"), (403, False, "not_applicable"), (404, True, "failed"), (500, False, "failed"),
     (200, True, "ok")],
)  # fmt: skip
def test_that_an_unknown_trace_is_missing_says_nothing_about_the_operation(
    tmp_path: Path, status: int, known_trace: bool, state: str
) -> None:
    with open_target(described(tmp_path)) as target:
        operation = target.operation("traces.get")
        assert operation is not None
        probe = _judge(target, operation, Answer(status, {"error": {}}, 0.01), known_trace=known_trace)
    assert probe.state == state
    if state == "not_applicable":
        assert probe.reason is not None and probe.reason.startswith("not assessed: ")


def test_an_alert_of_somebody_else_is_never_worked_on(tmp_path: Path) -> None:
    """A deployment that ignores what is searched for lists another alert first: the tour must not resolve that."""
    foreign = {"id": "somebody's", "labels": {"alertname": "DiskFull"}}
    own = {"id": "ours", "labels": {"alertname": TITLE}}
    with open_target(described(tmp_path)) as target:
        operation = target.operation("alerts.list")
        assert operation is not None
        for listed, known in (([foreign], None), ([foreign, own], "ours")):
            probing = _Probing(target)
            probing._learn("alert_id", operation, Answer(200, {"items": listed}, 0.01), {})
            assert probing._known.get("alert_id") == known
