"""The compose files and Dockerfiles as files: what every service has, what none has, and that they agree with each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

PLATFORM = Path(__file__).parents[3] / "observastack"
INVENTORY = PLATFORM.parent / "inventories" / "compose" / "group_vars" / "all"
FILES = ("compose.yaml", "compose.test.yaml")
DOCKERFILES = tuple(
    file for file in sorted((PLATFORM / "images").glob("Dockerfile*")) if file.suffix != ".dockerignore"
)
JOBS = {"migrate"}
GIVEN = {"TESTBED_ENV_ID": "0c0ffee0", "TESTBED_SECRETS": "/s", "TESTBED_CONFIG": "/c"}


@cache
def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PLATFORM / name).read_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    return {name: service for file in FILES for name, service in document(file)["services"].items()}


def default(text: str) -> str:
    """As compose would fill it in when no variable is given but those that must be."""
    text = re.sub(r"\$\{(TESTBED_\w+)(?::\?[^}]*)?\}", lambda found: GIVEN[found[1]], text)
    return re.sub(r"\$\{\w+:([-+])([^}]*)\}", lambda found: found[2] if found[1] == "-" else "", text)


every_service = pytest.mark.parametrize("name", sorted(services()))


@every_service
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices", "container_name"} & set(service)
    user = default(service["user"]).partition(":")[0]
    assert int(user) > 0


@every_service
def test_a_service_is_limited(name: str) -> None:
    service = services()[name]
    assert re.fullmatch(r"\d+[mg]", default(service["mem_limit"]))
    assert float(default(str(service["cpus"]))) <= 1  # an engine on one core refuses more
    assert 0 < service["pids_limit"] <= 2048
    assert service["logging"]["options"]["max-size"]


@every_service
def test_a_service_is_asked_for_its_health_and_a_job_for_its_exit_code(name: str) -> None:
    service = services()[name]
    if name in JOBS:
        assert service["healthcheck"] == {"disable": True} and service["restart"] == "no"
        return
    health = service["healthcheck"]
    assert health["test"][0] in ("CMD", "CMD-SHELL")
    assert health["start_period"] and health["retries"]
    assert "start_interval" not in health  # engines before 25 refuse it


@every_service
def test_a_port_is_published_on_loopback_alone(name: str) -> None:
    for port in services()[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{TESTBED_PORT_\w+:-\d+\}:\d+", port)
        assert "edge" in services()[name]["networks"]


@every_service
def test_a_secret_is_a_file(name: str) -> None:
    for key, value in (services()[name].get("environment") or {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", key):
            assert key.endswith("_FILE") and value.startswith("/run/secrets/")


@every_service
def test_an_image_is_pinned_and_can_be_chosen(name: str) -> None:
    image = services()[name]["image"]
    variable = re.match(r"\$\{TESTBED_IMAGE_(\w+):-", image)
    assert variable and f"${{TESTBED_{variable[1]}_DIGEST:+@}}" in image
    tag = default(image).rpartition(":")[2]
    assert re.search(r"\d+\.\d+", tag)


@every_service
def test_all_that_a_service_names_is_there(name: str) -> None:
    service, known = services()[name], {key: {} for key in ("secrets", "configs", "networks", "volumes")}
    for file in FILES:
        for key in known:
            known[key] |= document(file).get(key) or {}
    for key in ("secrets", "configs"):
        for item in service.get(key, []):
            assert (item if isinstance(item, str) else item["source"]) in known[key]
    assert set(service["networks"]) <= set(known["networks"])
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            assert volume.partition(":")[0] in known["volumes"]
        else:
            assert volume["read_only"] and not volume["bind"]["create_host_path"]
            assert (PLATFORM / volume["source"]).is_dir()
    assert service["labels"]["testbed.env_id"] and service["labels"]["testbed.service"] == name


def test_the_engine_is_in_no_container() -> None:
    assert not any("docker.sock" in (PLATFORM / name).read_text() for name in FILES)


def test_stores_can_be_reached_from_nowhere_else() -> None:
    for file in FILES:
        for name, network in document(file)["networks"].items():
            assert network.get("internal", False) is (name != "edge")
            assert network["labels"]
    assert services()["postgres"]["networks"] == services()["redis"]["networks"] == ["data"]
    assert services()["results-db"]["networks"] == ["results"]


def test_what_is_left_behind_can_be_found_by_its_label() -> None:
    for file in FILES:
        for volume in document(file)["volumes"].values():
            assert volume["labels"]["testbed.env_id"]


def test_the_inventory_names_the_same_images_as_the_compose_files() -> None:
    images = yaml.safe_load((INVENTORY / "images.yml").read_text())["testbed_images"]
    for name, service in services().items():
        variable = re.match(r"\$\{TESTBED_IMAGE_(\w+):-", service["image"])
        assert variable is not None
        entry = images[variable[1].lower()]
        if repository := entry.get("repository"):
            assert default(service["image"]) == f"{repository}:{entry['tag']}", name
            assert entry["digest"] == "{{ testbed_digests." + variable[1].lower() + " | default('') }}"
        else:
            assert entry["build"]


def test_no_digest_is_invented() -> None:
    locked = yaml.safe_load((INVENTORY / "images-lock.yml").read_text())["testbed_digests"]
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in locked.values())


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not on PATH")
def test_compose_reads_the_files() -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose plugin")
    arguments = [argument for name in FILES for argument in ("-f", str(PLATFORM / name))]
    command = ["docker", "compose", "-p", "testbed-x", *arguments, "--profile", "*", "config", "--format", "json"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode and "is written by testbed up compose" in refused.stderr
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", **GIVEN}
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert set(read["services"]) == set(services())
    for name, service in read["services"].items():
        assert service["labels"]["testbed.env_id"] == GIVEN["TESTBED_ENV_ID"], name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))


# ------------------------------------------------------------------ Dockerfiles


def stages(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Name of each stage and its instructions, continued lines joined."""
    text = re.sub(r"\\\n", " ", file.read_text())
    name, lines = "", []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("FROM "):
            if lines:
                yield name, lines
            name, lines = line.partition(" AS ")[2] or "last", [line]
        elif line and not line.startswith("#") and lines:
            lines.append(line)
    yield name, lines


FINAL = [
    (file.name, name)
    for file in DOCKERFILES
    for name, lines in stages(file)
    if any(line.startswith(("ENTRYPOINT", "HEALTHCHECK")) for line in lines)
]


def test_there_are_images_for_development_tests_and_production() -> None:
    assert {("Dockerfile", name) for name in ("development", "test", "backend", "ingest", "web")} <= set(FINAL)
    assert {("Dockerfile.runner", name) for name in ("development", "test", "runner")} <= set(FINAL)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_old_engines_can_build_it(file: Path) -> None:
    text = re.sub(r"^#.*", "", file.read_text(), flags=re.MULTILINE)
    assert "<<" not in text and "start-interval" not in text and "start_interval" not in text
    assert not re.search(r"^ARG .*(PASSWORD|SECRET|TOKEN)", text, re.MULTILINE)


@pytest.mark.parametrize("stage", ["development", "test", "runner"])
def test_every_runner_knows_its_version(stage: str) -> None:
    """Without it the command does not even start; where its sources come from outside, nothing is installed."""
    known = dict(stages(PLATFORM / "images" / "Dockerfile.runner"))
    needed, lines = [stage], list[str]()
    while needed:
        own = known.get(needed.pop(), [])
        lines += own
        needed += re.findall(r"(?:^FROM |--from=)(\w+)", "\n".join(own), re.MULTILINE)
    assert any("dist-info/METADATA" in line for line in lines)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_no_image_runs_as_root(file: Path) -> None:
    known = dict(stages(file))

    def user(name: str) -> str | None:
        own = [line.split()[1] for line in known[name] if line.startswith("USER ")]
        parent = known[name][0].split()[1]
        return own[-1] if own else user(parent) if parent in known else None

    for name in known:
        if (file.name, name) in FINAL:
            assert user(name) == "10001:10001", name


@pytest.mark.parametrize(("dockerfile", "stage"), [entry for entry in FINAL if entry[1] != "runtime"])
def test_every_image_says_how_it_feels(dockerfile: str, stage: str) -> None:
    lines = dict(stages(PLATFORM / "images" / dockerfile))[stage]
    assert any(line.startswith("HEALTHCHECK ") and "--start-period" in line for line in lines)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-runner.txt"])
def test_images_get_the_packages_that_the_lock_file_names(name: str) -> None:
    locked = tomllib.loads((PLATFORM.parent / "uv.lock").read_text())["package"]
    lock = {found["name"]: found["version"] for found in locked if "version" in found}
    wanted = dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", (PLATFORM / "images" / name).read_text(), re.MULTILINE))
    assert wanted and {package: lock[package] for package in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "package"),
    [("requirements.txt", "observastack"), ("requirements-runner.txt", "observastack-testbed")],
)
def test_images_get_all_packages_of_the_lock_file_by_hash(name: str, package: str) -> None:
    uv = PLATFORM.parent / ".build" / "uv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("uv is not in .build")
    options = ["--frozen", "--no-dev", "--no-emit-workspace", "--no-annotate", "--no-header", "--offline"]
    command = [uv, "export", "--quiet", *options, "--package", package]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PLATFORM.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (PLATFORM / "images" / name).read_text(), "make requirements"


# ------------------------------------------------------------------ Grafana


def test_dashboards_ask_data_sources_that_are_provisioned() -> None:
    folder = PLATFORM / "grafana"
    sources = yaml.safe_load((folder / "provisioning" / "datasources" / "platform.yml").read_text())["datasources"]
    known = {source["uid"]: source["type"] for source in sources}
    assert all(source["url"].split("/")[2].split(":")[0] in services() for source in sources)
    uids = set()
    for file in (folder / "dashboards").glob("*.json"):
        board = json.loads(file.read_text())
        uids.add(board["uid"])
        assert board["schemaVersion"] >= 36 and board["title"] and not board["editable"]
        taken = set()
        for panel in board["panels"]:
            for target in (panel, *panel["targets"]):
                assert known[target["datasource"]["uid"]] == target["datasource"]["type"]
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
            taken |= cells
    assert len(uids) == 3


def test_dashboards_ask_for_metrics_that_the_platform_has() -> None:
    asked = set()
    for file in (PLATFORM / "grafana" / "dashboards").glob("*.json"):
        asked |= set(
            re.findall(
                r"observastack_[a-z_]+",
                json.dumps([panel["targets"] for panel in json.loads(file.read_text())["panels"]]),
            )
        )
    sources = [file.read_text() for part in ("backend", "ingest") for file in (PLATFORM / part).rglob("*.py")]
    for name in asked:
        assert any(name.removesuffix("_bucket") in source for source in sources), name
