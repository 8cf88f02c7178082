"""A deployment that exists already, described by a target.yml alone."""

import shutil
from pathlib import Path

import pytest

from runners.environment import service
from runners.lib.errors import FileError, NotReady
from runners.lib.files import read_json
from runners.lib.home import Home
from tests.servers import free_port

PROFILE = """\
target: {{name: staging, production: false}}
urls: {{api: "http://127.0.0.1:{port}", ingest: null}}
identities: identities.json
auth: {{flow: static_token}}
operations:
  health.ready: {{get: /ready}}
required: [health.ready]
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def describe(folder: Path, port: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "target.yml").write_text(PROFILE.format(port=port))
    (folder / "identities.json").write_text('{"tenants": [{"id": "acme"}], "users": []}')
    return folder


def test_up_attaches_status_looks_down_detaches(home: Home, tmp_path: Path) -> None:
    from tests.unit.environment.test_probes import http_server

    with http_server(200, b"{}") as url:
        folder = describe(tmp_path / "staging", int(url.split(":")[2].split("/")[0]))
        done = service.up(home, "staging", source=str(folder))
        assert (done.status["kind"], done.status["state"]) == ("external", "ready")
        assert [item["health"] for item in done.status["services"]] == ["healthy"]
        with pytest.raises(NotReady, match="not ours to restart"):
            service.restart(home, "staging", "api")
    assert service.status(home, "staging")["state"] == "degraded"
    assert service.down(home, "staging")
    assert service.status(home, "staging")["state"] == "absent"
    assert (folder / "target.yml").exists()


def test_a_deployment_without_identities_says_where_to_name_them(home: Home, tmp_path: Path) -> None:
    folder = describe(tmp_path / "staging", free_port())
    profile = folder / "target.yml"
    profile.write_text(
        "".join(line for line in profile.read_text().splitlines(True) if "identities" not in line).replace(
            "static_token", "json_login, login: {post: /login, token: $.t}"
        )
    )
    with pytest.raises(FileError, match="no identities are named") as caught:
        service.up(home, "staging", source=str(folder))
    assert caught.value.file == str(profile) and "add identities: FILE" in str(caught.value.remedy)


def test_a_deployment_that_lacks_what_is_required_is_not_ready(home: Home, tmp_path: Path) -> None:
    folder = describe(tmp_path / "staging", free_port())
    with pytest.raises(NotReady, match=r"health\.ready: ConnectError"):
        service.up(home, "staging", source=str(folder))
    assert read_json(home.env("staging").failure)["root_causes"][0]["service"] == "health.ready"
    assert service.status(home, "staging")["state"] == "failed"


def test_a_mistake_in_the_profile_is_told_with_its_line(home: Home, tmp_path: Path) -> None:
    folder = describe(tmp_path / "staging", 1)
    text = (folder / "target.yml").read_text().replace("health.ready: {get", "health.redy: {get")
    (folder / "target.yml").write_text(text)
    with pytest.raises(FileError, match=r"target\.yml:6: .*health\.redy"):
        service.up(home, "staging", source=str(folder))
    shutil.rmtree(folder)
    assert not home.env("staging").state.exists()
