"""What compose is asked, and what differs from what runs."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runners.environment.containers import project
from runners.environment.containers.engine import Box
from runners.environment.containers.project import Failed, Project

STATE: dict[str, Any] = {
    "env_id": "e1", "defects": ["slow_search"], "ports": {"backend": 8100, "keycloak": 8180},
    "engine": {"images": "local", "built": {"backend": "testbed/backend:0.1-1f"}},
}  # fmt: skip
IMAGES: dict[str, Any] = {
    "backend": {"build": {"target": "backend"}},
    "postgres": {"repository": "docker.io/library/postgres", "tag": "15.14", "digest": "sha256:1", "user": "70:70"},
}


def variables(**changes: Any) -> dict[str, str]:
    state = {**STATE, "engine": {**STATE["engine"], **changes}}
    return project.variables(state, secrets=Path("/s"), config=Path("/c"), images=IMAGES)


def test_what_was_built_here_is_named_by_its_tag_and_never_pulled() -> None:
    found = variables()
    assert found["TESTBED_IMAGE_BACKEND"] == "testbed/backend:0.1-1f"
    assert found["TESTBED_PULL_POLICY"] == "never"


def test_an_official_image_comes_with_its_digest_and_user() -> None:
    found = variables(images="official")
    assert found["TESTBED_IMAGE_POSTGRES"] == "docker.io/library/postgres:15.14"
    assert (found["TESTBED_POSTGRES_DIGEST"], found["TESTBED_USER_POSTGRES"]) == ("sha256:1", "70:70")
    assert found["TESTBED_PULL_POLICY"] == "missing"


def test_ports_and_defects_are_told() -> None:
    found = variables()
    assert (found["TESTBED_PORT_BACKEND"], found["TESTBED_PORT_KEYCLOAK"]) == ("8100", "8180")
    assert found["OBSERVASTACK_DEFECTS"] == "slow_search"


def test_there_is_no_secret_among_them() -> None:
    assert not [name for name in variables() if "PASSWORD" in name or "TOKEN" in name]


DOCUMENT: dict[str, Any] = {
    "configs": {"observastack": {"file": "/c/observastack.json"}},
    "secrets": {"pg": {"file": "/s/postgres_password"}, "outside": {"external": True}},
    "services": {
        "backend": {"configs": [{"source": "observastack"}], "secrets": [{"source": "pg"}, {"source": "outside"}]},
        "web": {},
    },
}


def test_a_service_mounts_its_configs_and_secrets() -> None:
    assert project.mounted(DOCUMENT) == {"backend": ["/c/observastack.json", "/s/postgres_password"], "web": []}


def test_the_hash_follows_contents_and_nothing_else(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a")
    other.write_text("b")
    before = project.digest([str(one), str(other)])
    assert project.digest([str(other), str(one)]) == before
    one.touch()
    assert project.digest([str(one), str(other)]) == before
    one.write_text("c")
    assert project.digest([str(one), str(other)]) != before
    assert project.digest([str(tmp_path / "absent")]) != project.digest([])


def box(service: str, status: str = "running", config_hash: str = "h", exit_code: int = 0) -> Box:
    return Box("id", service, status, None, "", exit_code, False, 1, "", config_hash, "")


def differing(*found: Box) -> dict[str, str]:
    return project.differing(
        ["redis", "backend", "migrate"], ["migrate"], {"redis": "h", "backend": "h", "migrate": "h"}, found,
        unwanted=["loki"],
    )  # fmt: skip


def test_nothing_differs_when_all_run_as_they_should_and_the_job_is_done() -> None:
    assert differing(box("redis"), box("backend"), box("migrate", "exited")) == {}


@pytest.mark.parametrize(
    ("changed", "todo"),
    [
        (box("redis", config_hash="old"), "changed"),
        (box("redis", "exited", exit_code=137), "exited"),
        (box("redis", "paused"), "paused"),
        (box("redis", "created"), "created"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(changed: Box, todo: str) -> None:
    assert differing(changed, box("backend"), box("migrate", "exited")) == {"redis": todo}


def test_a_job_that_failed_is_done_again() -> None:
    assert differing(box("redis"), box("backend"), box("migrate", "exited", exit_code=1)) == {"migrate": "exited"}


def test_only_what_is_known_not_to_be_wanted_goes() -> None:
    found = [box("redis"), box("backend"), box("migrate", "exited"), box("loki"), box("results-db")]
    assert differing(*found) == {"loki": "not wanted"}


def test_the_fewest_profiles_that_have_all_of_the_services() -> None:
    given = {"postgres": ["core"], "results-db": ["testing", "load"], "runner": ["testing"], "plain": None}
    document = {"services": {name: {"profiles": profiles} for name, profiles in given.items()}}
    assert project.profiles_of(document, ["postgres", "results-db", "plain"]) == ["core", "testing"]


def test_the_hashes_of_compose_are_a_line_each() -> None:
    assert project.wanted_hashes("redis 1a\nresults-db 2b\n\n") == {"redis": "1a", "results-db": "2b"}


@pytest.mark.parametrize(
    ("tag", "version"), [("15.14-bookworm", "15.14"), ("v2.53.5", "2.53.5"), ("latest", None), (None, None)]
)
def test_a_tag_begins_with_the_version(tag: str | None, version: str | None) -> None:
    assert project.version_in(tag) == version


def compose() -> bool:
    asked = ["docker", "compose", "version"]
    return shutil.which("docker") is not None and subprocess.run(asked, capture_output=True).returncode == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not compose():
        pytest.skip("docker has no compose plugin here")
    return tmp_path


def a_project(folder: Path, text: str, variables: dict[str, str]) -> Project:
    file = folder / "compose.yaml"
    file.write_text(text)
    ours = Project("testbed-t", (file, folder / "absent.yaml"), folder, "unix:///nowhere")
    ours.variables.write_text(project.as_file(variables))
    return ours


def test_values_reach_compose_as_they_are(folder: Path) -> None:
    text = "services: {a: {image: x, profiles: [p], labels: {l: '${TESTBED_SECRETS:?}'}}}\n"
    for value in ("/a b/$HOME#x", "/home/o'brien/it's", "/a\\b", '/"quoted"'):
        ours = a_project(folder, text, {"TESTBED_SECRETS": value, "TESTBED_ZZ": "the next one"})
        assert project.plain(project.document_of(ours)["services"]["a"]["labels"]["l"]) == value


def test_the_callers_own_variables_do_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_PORT_BACKEND", "1")
    text = "services: {a: {image: 'x:${TESTBED_PORT_BACKEND}'}}\n"
    ours = a_project(folder, text, {"TESTBED_PORT_BACKEND": "8000"})
    assert project.image_of(project.document_of(ours), "a") == "x:8000"


def test_another_content_of_a_mounted_file_is_another_configuration(folder: Path) -> None:
    (folder / "a.conf").write_text("one")
    text = "configs: {c: {file: ./a.conf}}\nservices: {a: {image: x, configs: [c]}, b: {image: x}}\n"
    ours = a_project(folder, text, {})

    def hashes() -> dict[str, str]:
        ours.override.unlink(missing_ok=True)
        ours.override.write_text(project.override(project.document_of(ours), start_interval=False))
        return project.wanted_hashes(ours.run("config", "--hash", "*"))

    before = hashes()
    assert hashes() == before
    (folder / "a.conf").write_text("two")
    after = hashes()
    assert after["a"] != before["a"] and after["b"] == before["b"]


def test_health_checks_are_frequent_until_the_first_passes_where_the_engine_knows_that(folder: Path) -> None:
    text = (
        "services: {a: {image: x, healthcheck: {test: [CMD, ok], interval: 2s, start_period: 60s}}, b: {image: x},"
        " c: {image: x, healthcheck: {disable: true}}}\n"
    )
    ours = a_project(folder, text, {})
    plain = json.loads(project.override(project.document_of(ours), start_interval=False))["services"]
    assert not [name for name, added in plain.items() if "healthcheck" in added]
    ours.override.write_text(project.override(project.document_of(ours), start_interval=ours.knows_start_interval()))
    merged = json.loads(ours.run("config", "--format", "json"))["services"]
    if ours.knows_start_interval():
        check = merged["a"]["healthcheck"]
        assert (check["interval"], check["start_interval"], check["start_period"]) == ("10s", "1s", "1m0s")
    assert "healthcheck" not in merged["b"] and merged["c"]["healthcheck"] == {"disable": True}


def test_what_compose_says_last_is_the_error(folder: Path) -> None:
    ours = a_project(folder, "services: {a: {imagine: x}}\n", {})
    with pytest.raises(Failed, match="imagine"):
        project.document_of(ours)
