"""The target profile: its grammar, its errors, its templates."""

from pathlib import Path

import pytest

from runners.config import document
from runners.lib.errors import FileError
from runners.target import profile, template
from runners.target.operation import Operation
from runners.target.profile import Profile

GOOD = """\
target: {name: reference, allow: {writes: true, load: true, chaos: [process]}}
urls:
  api: "{{ urls.api }}"
  ingest: "{{urls.ingest}}"
  ui: "{{ urls.ui }}"
auth:
  flow: json_login
  login: {post: /login, json: {username: "{username}", password: "{password}"}, token: $.access_token}
operations:
  search.logs:
    post: /search
    json: {type: logs, filters: "{filters?}", limit: "{limit}", note: "up to {limit}"}
    items: $.items
  traces.get: {get: "/traces/{trace_id}"}
  metrics.labels: {get: "/labels/{label}", query: {start: "{start}", end: "{end?}"}}
  ingest.logs: {post: "{{ urls.ingest }}/v1/logs", json: "{payload?}"}
  live.stream: null
"""
URLS = {"api": "http://127.0.0.1:8000", "ingest": "http://127.0.0.1:4318", "ui": None}


def check(text: str, urls: dict[str, str | None] | None = None) -> Profile:
    return profile.check(document.parse(text, Path("target.yml")), URLS if urls is None else urls)


def operation(name: str) -> Operation:
    described = check(GOOD).operations[name]
    assert described is not None
    return Operation(name, described, "http://127.0.0.1:8000")


def test_urls_come_from_the_environment_and_null_stays_null() -> None:
    assert check(GOOD).urls == URLS


def test_urls_may_stand_in_the_file_itself() -> None:
    text = GOOD.replace('"{{ urls.api }}"', "https://obs.example.com").replace('"{{urls.ingest}}"', "http://i.example")
    text = text.replace('"{{ urls.ui }}"', "null").replace("{{ urls.ingest }}", "http://i.example")
    assert check(text, {}).urls["api"] == "https://obs.example.com"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("name: reference", "nmae: reference", 1, "did you mean 'name'"),
        ("{{ urls.api }}", "{{ urls.apo }}", 3, "did you mean 'api'"),
        ("{{ urls.api }}", "{{ lookup('env', 'X') }}", 3, "cannot be filled"),
        ("search.logs:", "serach.logs:", 10, "did you mean 'search.logs'"),
        ("post: /search\n", "post: /search\n    get: /search\n", 11, "has one method, this has get and post"),
        ("post: /search\n", "role: viewer\n", 11, "this has none"),
        ("$.items", "items", 13, "not a JSONPath"),
        ("flow: json_login", "flow: oidc_code", 7, "needs auth.oidc"),
        ("flow: json_login", "flow: json-login", 7, "did you mean 'json_login'"),
        ("chaos: [process]", "chaos: [proces]", 1, "process"),
        ('api: "{{ urls.api }}"', "api: ftp://x", 3, "not an http(s) URL"),
        ('api: "{{ urls.api }}"', "api: null", 2, "urls.api is missing"),
        ("  login: {", "  me: {get: /me}\n  # login: {", 6, "needs auth.login"),
    ],
)
def test_an_error_names_line_and_remedy(old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(FileError) as caught:
        check(GOOD.replace(old, new))
    assert says in str(caught.value)
    assert caught.value.line is not None
    assert abs(caught.value.line - line) <= 1, str(caught.value)


def test_a_variable_keeps_its_type_and_an_optional_one_may_be_left_out() -> None:
    request = operation("search.logs").request(limit=5)
    assert request.url == "http://127.0.0.1:8000/search"
    assert request.json == {"type": "logs", "limit": 5, "note": "up to 5"}
    filters = [{"field": "service", "operator": "equals", "value": "web"}]
    assert operation("search.logs").request(limit=5, filters=filters).json["filters"] == filters


def test_a_variable_that_is_missing_is_named() -> None:
    assert operation("search.logs").variables == {"limit"}
    with pytest.raises(template.MissingVariable, match="'limit' is not given"):
        operation("search.logs").request()


def test_a_value_in_a_path_never_adds_a_segment() -> None:
    assert operation("traces.get").request(trace_id="../admin?x").url.endswith("/traces/..%2Fadmin%3Fx")


def test_a_query_is_encoded_and_a_full_url_taken_as_it_is() -> None:
    assert operation("metrics.labels").request(label="job", start="a b").url.endswith("/labels/job?start=a+b")
    request = operation("ingest.logs").request()
    assert (request.url, request.json) == ("http://127.0.0.1:4318/v1/logs", None)


def test_an_absent_operation_is_null_or_left_out() -> None:
    described = check(GOOD)
    assert described.operations["live.stream"] is None
    assert "alerts.list" not in described.operations


def test_a_profile_can_be_checked_without_an_environment() -> None:
    path = Path("target.yml")
    assert profile.check(document.parse(GOOD, path), None).urls["ingest"] == "http://ingest.invalid"
    with pytest.raises(FileError, match="unknown key"):
        profile.check(document.parse(GOOD.replace("name: reference", "nmae: reference"), path), None)


def test_urls_that_a_profile_gives_itself_count_in_what_it_extends(tmp_path: Path) -> None:
    (tmp_path / "target.yml").write_text(GOOD)
    file = tmp_path / "elsewhere.yml"
    file.write_text("extends: target.yml\nurls: {api: http://backend:8000, ingest: http://ingest:4318, ui: null}\n")
    found = profile.load(file, {})
    assert (found.urls["api"], found.urls["ui"]) == ("http://backend:8000", None)
    assert found.operations["ingest.logs"] is not None
    assert found.operations["ingest.logs"].path == "http://ingest:4318/v1/logs"
    with pytest.raises(FileError, match="no URL 'ingest'"):
        file.write_text("extends: target.yml\nurls: {api: http://backend:8000}\n")
        profile.load(file, {})


def test_a_profile_extends_another_and_tells_whose_mistake_it_is(tmp_path: Path) -> None:
    (tmp_path / "target.yml").write_text(GOOD)
    file = tmp_path / "other.yml"
    file.write_text("extends: target.yml\noperations:\n  search.logs: null\n  auth.me: {get: /who}\n")
    extended = profile.load(file, URLS)
    base = profile.load(tmp_path / "target.yml", URLS)
    assert extended.operations == base.operations | {"search.logs": None, "auth.me": extended.operations["auth.me"]}
    assert extended.auth == base.auth
    file.write_text("extends: target.yml\noperations:\n  no.such: {get: /x}\n")
    with pytest.raises(FileError, match=r"no\.such") as caught:
        profile.load(file, URLS)
    assert (Path(str(caught.value.file)).name, caught.value.line) == ("other.yml", 3)
    (tmp_path / "target.yml").write_text(GOOD.replace("search.logs", "no.such"))
    with pytest.raises(FileError, match=r"no\.such") as caught:
        profile.load(file, URLS)
    assert Path(str(caught.value.file)).name == "target.yml"


def test_an_operation_of_a_service_that_is_not_there_is_none_and_not_a_path_of_the_api() -> None:
    found = check(GOOD, URLS | {"ingest": None})
    assert found.operations["ingest.logs"] is None and found.without == {"ingest.logs": "ingest"}
    assert found.operations["search.logs"] is not None
    assert check(GOOD).without == {}
