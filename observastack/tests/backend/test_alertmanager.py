"""With Debian's Prometheus and Alertmanager: a rule fires and its end arrives; silences are copied, and copied again after
a kill -9 has lost them. What else a kill -9 loses is counted here and written down in docs/alerts.md."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from observastack.alerting.__main__ import main
from observastack.backend.alerts.alertmanager import Alertmanager
from observastack.backend.database import Database
from observastack.backend.tenants import Tenants
from observastack.config import Config
from observastack.tests.backend.alerting import at, deliver, named, sent, silence, unique
from observastack.tests.backend.serving import Backend, backend, until
from observastack.tests.gateway import running_gateway
from observastack.tests.platform import build_platform
from tests.servers import free_port


def binary(*names: str) -> str:
    """From TESTBED_BIN_DIR or PATH; skips with the reason when there is none."""
    folder = os.environ.get("TESTBED_BIN_DIR", "")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}" if folder else None
    found = next((path_ for name in names if (path_ := shutil.which(name, path=path))), None)
    if found is None:
        pytest.skip(f"no {names[0]} on this machine")
    return found


class Server:
    """A server process that can be killed and started again."""

    def __init__(self, command: list[str], url: str, log: Path) -> None:
        self.command, self.url, self._log = command, url, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output)
        until(self._ready, f"{self.url} is ready; its log: {self._log}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=5).raise_for_status().json()

    def _ready(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self._log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        return False


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, postgres: str, redis: str) -> Config:
    binary("prometheus-alertmanager", "alertmanager")
    url = f"http://127.0.0.1:{free_port()}"
    return build_platform(tmp_path_factory.mktemp("alerting"), postgres, redis, alertmanager_url=url)


@pytest.fixture(scope="module")
def folder(platform: Config) -> Path:
    """The generated configuration."""
    out = platform.file.parent / "alerting"
    arguments = ["--config", str(platform.file), "--out", str(out), "--platform-tenant", "initech", "--interval", "1"]
    assert main(arguments) == 0
    return out


@pytest.fixture(scope="module")
def alertmanager(platform: Config, folder: Path) -> Iterator[Server]:
    assert platform.alertmanager_url is not None
    address = platform.alertmanager_url.removeprefix("http://")
    command = [
        binary("prometheus-alertmanager", "alertmanager"), "--config.file", str(folder / "alertmanager.yml"),
        "--storage.path", str(folder / "data"), "--web.listen-address", address, "--cluster.listen-address=",
    ]  # fmt: skip
    server = Server(command, platform.alertmanager_url, folder / "alertmanager.log")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def running(platform: Config, alertmanager: Server) -> Iterator[Backend]:
    with backend(platform, platform.file.parent) as started:
        yield started


def alerts(running: Backend, name: str, username: str = "acme-viewer") -> list[dict[str, Any]]:
    items = running.get(username, "/alerts?limit=500").json()["items"]
    return [alert for alert in items if alert["labels"]["alertname"] == name]


def copies(alertmanager: Server, silence_id: str) -> list[dict[str, Any]]:
    return [
        one for one in alertmanager.get("/api/v2/silences")
        if silence_id in one["comment"] and one["status"]["state"] != "expired"
    ]  # fmt: skip


def soon(condition: Callable[[], Any], what: str, patience_s: float = 40) -> float:
    return until(lambda: bool(condition()), what, patience_s)


def test_a_rule_fires_and_its_end_arrives(running: Backend, folder: Path, tmp_path: Path) -> None:
    """The gateway's process is the condition: Prometheus scrapes it, misses it, and finds it again."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        binary("prometheus"), "--config.file", str(folder / "prometheus.yml"), "--storage.tsdb.path", str(tmp_path / "tsdb"),
        "--web.listen-address", url.removeprefix("http://"), "--log.level", "warn",
    ]  # fmt: skip
    server = Server(command, url, tmp_path / "prometheus.log")
    server.start()
    try:

        def down() -> list[dict[str, Any]]:
            found = alerts(running, "PlatformProcessDown", "initech-viewer")
            return [alert for alert in found if alert["labels"]["job"] == "observastack-ingest"]

        soon(lambda: [alert["status"] for alert in down()] == ["active"], "the alert is active")
        (alert,) = down()
        assert (alert["severity"], alert["source"], alert["labels"]["tenant"]) == ("critical", "prometheus", "initech")
        assert alerts(running, "PlatformProcessDown") == []
        with running_gateway(running.config, tmp_path):
            soon(lambda: [one["status"] for one in down()] == ["resolved"], "the alert is resolved")
        steps = running.get("initech-viewer", f"/alerts/{alert['id']}").json()["history"]
        assert [step["action"] for step in steps] == ["fired", "resolved_by_source"]
    finally:
        server.kill()


def test_an_alertmanager_delivers_each_tenants_alerts_with_its_token(running: Backend, alertmanager: Server) -> None:
    name = unique("routed")
    posted = [
        {
            "labels": {"alertname": name, "tenant": tenant, "severity": "error"},
            "annotations": {"summary": f"of {tenant}"},
        }
        for tenant in ("acme", "globex", "unknown")
    ]
    httpx.post(f"{alertmanager.url}/api/v2/alerts", json=posted).raise_for_status()
    for tenant in ("acme", "globex"):
        soon(partial(alerts, running, name, f"{tenant}-viewer"), f"the alert of {tenant} has arrived")
        assert [alert["title"] for alert in alerts(running, name, f"{tenant}-viewer")] == [f"of {tenant}"]
    assert alerts(running, name, "initech-viewer") == []


def test_a_silence_is_copied_with_its_tenant_changed_and_ended(running: Backend, alertmanager: Server) -> None:
    name = unique("copied")
    made = silence(running, {**named(f"{name}.*"), "is_regex": True}).json()["id"]
    soon(lambda: copies(alertmanager, made), "it is copied")
    (copy,) = copies(alertmanager, made)
    matchers = {(one["name"], one["value"], one["isRegex"], one["isEqual"]) for one in copy["matchers"]}
    assert matchers == {("tenant", "acme", False, True), ("alertname", f"{name}.*", True, True)}
    assert copy["createdBy"] == "acme-editor"
    body = {"matchers": [named(name)], "ends_at": at(1800), "comment": "changed"}
    assert running.call("acme-editor", "PUT", f"/alerts/silences/{made}", json=body).status_code == 200
    soon(
        lambda: [c["comment"].startswith("changed") for c in copies(alertmanager, made)] == [True],
        "the change is copied",
    )
    running.call("acme-editor", "DELETE", f"/alerts/silences/{made}")
    soon(lambda: copies(alertmanager, made) == [], "it is ended")


def test_what_a_kill_loses_is_copied_again_and_what_others_made_is_left_alone(
    running: Backend, alertmanager: Server
) -> None:
    kept = [silence(running, named(unique("kept"))).json()["id"] for _ in range(5)]
    soon(lambda: all(copies(alertmanager, one) for one in kept), "all are copied")
    alertmanager.kill()
    alertmanager.start()
    own = {
        "matchers": [{"name": "alertname", "value": "x", "isRegex": False, "isEqual": True}], "startsAt": at(),
        "endsAt": at(600), "createdBy": "operator", "comment": "by hand",
    }  # fmt: skip
    httpx.post(f"{alertmanager.url}/api/v2/silences", json=own).raise_for_status()
    soon(lambda: all(copies(alertmanager, one) for one in kept), "all are there again")
    silence(running, named(unique("another")))
    time_left = [one for one in alertmanager.get("/api/v2/silences") if one["comment"] == "by hand"]
    assert [one["status"]["state"] for one in time_left] == ["active"]


def test_a_backend_without_its_alertmanager_works_and_catches_up(running: Backend, alertmanager: Server) -> None:
    alertmanager.kill()
    name = unique("alone")
    deliver(running, sent(name))
    made = silence(running, named(name))
    assert (made.status_code, made.json()["matched"]) == (201, 1)
    assert running.client.get("/api/v1/health/ready").status_code == 200
    alertmanager.start()
    soon(lambda: copies(alertmanager, made.json()["id"]), "it is copied")


async def test_what_ended_unseen_is_over_and_what_came_another_way_is_left_alone(
    running: Backend, alertmanager: Server
) -> None:
    """A silenced alert that ends, or one that ends while the Alertmanager is killed, is never told to the webhook."""
    listed, direct = unique("listed"), unique("direct")
    fire = [{"labels": {"alertname": listed, "tenant": "acme"}}]
    httpx.post(f"{alertmanager.url}/api/v2/alerts", json=fire).raise_for_status()
    soon(lambda: alerts(running, listed), "the alert has arrived")
    deliver(running, sent(direct))
    database = Database(running.config)
    await database.open()
    duty, tenants = Alertmanager(database, alertmanager.url, gone_s=1.0), await Tenants(database).all()
    await duty(tenants)  # sees the one that is listed
    over = [{**fire[0], "startsAt": at(-60), "endsAt": at(-1)}]
    alertmanager.kill()
    alertmanager.start()
    httpx.post(f"{alertmanager.url}/api/v2/alerts", json=over).raise_for_status()
    deadline = asyncio.get_running_loop().time() + 30
    while alerts(running, listed)[0]["status"] != "resolved":
        assert asyncio.get_running_loop().time() < deadline, "it is over"
        await duty(tenants)
        await asyncio.sleep(0.2)
    await duty.close()
    await database.close()
    steps = running.get("acme-viewer", f"/alerts/{alerts(running, listed)[0]['id']}").json()["history"]
    assert [step["action"] for step in steps] == ["fired", "resolved_by_source"]
    assert alerts(running, direct)[0]["status"] == "active"


def test_the_generated_files_are_private_and_a_second_run_changes_nothing(
    platform: Config, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--config",
        str(platform.file),
        "--out",
        str(folder),
        "--platform-tenant",
        "initech",
        "--interval",
        "1",
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "up to date\n"
    made = [folder / name for name in ("prometheus.yml", "alertmanager.yml", "tokens/acme", "rules/tenants.yml")]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert "webhook-token-of" not in (folder / "alertmanager.yml").read_text()
    if (promtool := shutil.which("promtool")) is not None:
        subprocess.run([promtool, "check", "config", folder / "prometheus.yml"], check=True, capture_output=True)


def test_without_an_alertmanager_there_is_nothing_to_generate(
    served_config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(served_config.file), "--out", str(tmp_path)]) == 2
    assert "alertmanager_url is missing" in capsys.readouterr().err
    assert json.loads(served_config.file.read_text()).get("alertmanager_url") is None


def test_a_silence_that_the_alertmanager_refuses_holds_up_no_other_tenants(
    running: Backend, alertmanager: Server
) -> None:
    """RE2 in C++ knows `\\C`, Go's does not."""
    refused = silence(running, {**named(unique("refused") + "\\C"), "is_regex": True})
    assert refused.status_code == 201
    other = silence(running, named(unique("other")), username="initech-editor")
    soon(lambda: copies(alertmanager, other.json()["id"]), "the other tenant's is copied", 35)
    assert copies(alertmanager, refused.json()["id"]) == []
    running.call("acme-editor", "DELETE", f"/alerts/silences/{refused.json()['id']}")
