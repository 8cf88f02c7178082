"""What a single answer says about an operation."""

import json
from pathlib import Path

import pytest

from runners.lib.errors import NotReady
from runners.lib.home import Environment
from runners.target import open_target
from runners.target.journeys import STEPS, TITLE
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


def test_a_service_that_an_environment_does_not_have_is_not_there_and_no_failed_answer_of_another(
    tmp_path: Path,
) -> None:
    environment = described(tmp_path)
    (tmp_path / "target.yml").write_text(
        PROFILE.replace("required:", '  ingest.logs: {post: "{{ urls.ingest }}/v1/logs"}\nrequired:')
    )
    state = json.loads(environment.state.read_text())
    environment.state.write_text(json.dumps(state | {"urls": {"ingest": None}}))
    step = next(step for step in STEPS if step.name == "ingest.logs")
    with open_target(environment) as target:
        probe = _Probing(target)._one(step)
        assert (probe.state, probe.status) == ("not_applicable", None)
        assert probe.reason == "not there: this environment has no service at urls.ingest"
        with pytest.raises(NotReady, match=r"no service at urls\.ingest"):
            target.call("ingest.logs")


def test_an_environment_without_a_backend_has_nothing_to_ask(tmp_path: Path) -> None:
    environment = described(tmp_path)
    (tmp_path / "target.yml").write_text(PROFILE.replace('"http://127.0.0.1:9"', '"{{ urls.api }}"'))
    state = json.loads(environment.state.read_text())
    environment.state.write_text(json.dumps(state | {"kind": "local", "urls": {"api": None}}))
    with pytest.raises(NotReady, match="has no backend"):
        open_target(environment)
