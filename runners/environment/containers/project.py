"""What compose is asked to do for an environment: its variables, what differs from what runs, and bringing it up."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.environment.containers.engine import Box

MISSING = "its image {image} is not on this engine; build it with: ansible-playbook playbooks/images.yml"
NOT_PULLED = "its image {image} cannot be pulled: {said} (where no registry answers: testbed_images_source: local)"
QUERY_S = 60.0
GRACE_S = 30.0  # beyond its own time limit, compose is not waited for
LOOK_S = 1.0
CONTENT_LABEL = "testbed.config"
HEALTH_INTERVAL, START_INTERVAL = "10s", "1s"
_WITH_START_INTERVAL = (2, 21)  # of compose
_SETTLED = ("running",)


class Failed(Exception):
    """compose ended with an error; its message is what it said last."""


@dataclass(frozen=True)
class Project:
    """name: of the project; files: what compose reads; folder: where the variables that they mention and the labels that
    come on top are written; url: the engine."""

    name: str
    files: tuple[Path, ...]
    folder: Path
    url: str

    @property
    def variables(self) -> Path:
        return self.folder / "compose.env"

    @property
    def override(self) -> Path:
        """One file more for compose, as JSON, which is YAML too."""
        return self.folder / "compose.override.json"

    def command(self, *arguments: str, profiles: Collection[str] = ("*",), bare: bool = False) -> list[str]:
        """profiles: compose makes the networks and volumes of all their services, whichever are named. bare: without the
        override."""
        files = [
            part
            for file in (*self.files, *([] if bare else [self.override]))
            if file.is_file()
            for part in ("-f", str(file))
        ]
        return [
            "docker", "compose", "--project-name", self.name, *files, "--env-file", str(self.variables),
            *(part for profile in profiles for part in ("--profile", profile)), "--ansi", "never", "--progress", "plain", *arguments,
        ]  # fmt: skip

    def run(
        self, *arguments: str, profiles: Collection[str] = ("*",), bare: bool = False, timeout_s: float = QUERY_S
    ) -> str:
        """What it printed. Raises Failed."""
        try:
            done = subprocess.run(
                self.command(*arguments, profiles=profiles, bare=bare), check=False, capture_output=True, text=True, errors="replace",
                stdin=subprocess.DEVNULL, timeout=timeout_s, env=self.environ(),
            )  # fmt: skip
        except FileNotFoundError:
            raise Failed("there is no docker on PATH; see: testbed doctor") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"docker compose {arguments[0]} did not end within {timeout_s:g} s") from None
        if done.returncode != 0:
            raise Failed(last_words(done.stderr or done.stdout))
        return done.stdout

    def up(
        self, services: Collection[str], profiles: Collection[str], *, patience_s: float, hopeless: Callable[[], bool]
    ) -> None:
        """Start them and wait until they are healthy. hopeless: asked now and then whether waiting makes sense; compose would
        wait until its time is up for a container that ends and is started again and again. Raises Failed."""
        arguments = [
            "--detach",
            "--wait",
            "--wait-timeout",
            str(round(patience_s)),
            "--no-build",
            "--quiet-pull",
            *services,
        ]
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    self.command("up", *arguments, profiles=profiles), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                    env=self.environ(), start_new_session=True,
                )  # fmt: skip
            except FileNotFoundError:
                raise Failed("there is no docker on PATH; see: testbed doctor") from None
            deadline, given_up = time.monotonic() + patience_s + GRACE_S, False
            while process.poll() is None and not given_up:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_S)
                given_up = process.poll() is None and (time.monotonic() > deadline or hopeless())
            if given_up:
                # docker runs compose as a child. What it had asked the engine for is done all the same.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            said.seek(0)
            if given_up or process.returncode != 0:
                raise Failed(last_words(said.read().decode("utf-8", "replace")))

    def knows_start_interval(self) -> bool:
        """Raises Failed."""
        found = re.match(r"v?(\d+)\.(\d+)", self.run("version", "--short", bare=True).strip())
        return found is not None and (int(found[1]), int(found[2])) >= _WITH_START_INTERVAL

    def environ(self) -> dict[str, str]:
        """Not the caller's: a variable of the shell would win over the file, and make two provisionings differ."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ", "LANG") if name in os.environ}
        marks = {name: value for name, value in os.environ.items() if name.startswith(("DOCKER_", "TESTBED_JOB"))}
        return kept | marks | {"DOCKER_HOST": self.url}


def last_words(text: str) -> str:
    """The last line of compose's output that says something, without the colours and the time that it puts before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"


def variables(
    state: Mapping[str, Any],
    *,
    secrets: Path,
    config: Path,
    images: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """What the compose files ask for, without a secret."""
    source, built = state["engine"]["images"], state["engine"]["built"]
    found = {
        "TESTBED_ENV_ID": str(state["env_id"]), "TESTBED_SECRETS": str(secrets), "TESTBED_CONFIG": str(config),
        "TESTBED_PULL_POLICY": "missing" if source == "official" else "never",
        "OBSERVASTACK_DEFECTS": ",".join(state["defects"]),
    }  # fmt: skip
    for name, port in state["ports"].items():
        found[f"TESTBED_PORT_{_upper(name)}"] = str(port)
    for name, image in images.items():
        if name == "base":
            continue  # no service runs it
        if name in built:
            found[f"TESTBED_IMAGE_{_upper(name)}"] = built[name]
        elif image.get("repository"):
            found[f"TESTBED_IMAGE_{_upper(name)}"] = f"{image['repository']}:{image['tag']}"
            found[f"TESTBED_{_upper(name)}_DIGEST"] = str(image.get("digest") or "")
            if image.get("user"):
                found[f"TESTBED_USER_{_upper(name)}"] = str(image["user"])
    return found


def as_file(found: Mapping[str, str]) -> str:
    """An environment file as compose reads it: single quotes keep a value as it is, spaces and $ included, but for a quote."""
    head = "# Written by testbed up; compose reads it. There is no secret in it.\n"
    quoted = {name: value.replace("'", "\\'") for name, value in found.items()}
    return head + "".join(f"{name}='{value}'\n" for name, value in sorted(quoted.items()))


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


def mounted(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """The files that each service reads its configuration and secrets from. document: `compose config --format json`."""
    places = {
        kind: {name: plain(str(item["file"])) for name, item in (document.get(kind) or {}).items() if item.get("file")}
        for kind in ("configs", "secrets")
    }
    return {
        name: sorted(
            {
                places[kind][item["source"]]
                for kind in ("configs", "secrets")
                for item in service.get(kind) or []
                if item["source"] in places[kind]
            }
        )
        for name, service in document["services"].items()
    }


def plain(text: str) -> str:
    """A value of `compose config`, which doubles every dollar sign so that its output can be read in again."""
    return text.replace("$$", "$")


def digest(files: Collection[str]) -> str:
    """Of their contents: compose replaces a container when its configuration differs, and knows nothing of contents.

    A file that is not there counts as empty: whoever mounts it will say so.
    """
    found = hashlib.sha256()
    for file in sorted(files):
        path = Path(file)
        content = path.read_bytes() if path.is_file() else b""
        found.update(f"{path.name}:{len(content)}:".encode() + content)
    return found.hexdigest()[:16]


def override(document: Mapping[str, Any], *, start_interval: bool) -> str:
    """What comes on top of the compose files: a label on each service that tells the contents of what it mounts, since another
    label is another container; and with start_interval, which engines before 25 refuse, health checks that are frequent
    only until the first one passes. Seven containers that are asked every two seconds cost a third of a core (measured)."""
    services: dict[str, dict[str, Any]] = {
        name: {"labels": {CONTENT_LABEL: digest(files)}} for name, files in sorted(mounted(document).items())
    }
    for name, added in services.items():
        check = document["services"][name].get("healthcheck") or {}
        if start_interval and check.get("test"):
            added["healthcheck"] = {"interval": HEALTH_INTERVAL, "start_interval": START_INTERVAL, "retries": 3}
    return json.dumps({"services": services}, indent=1) + "\n"


def version_in(tag: str | None) -> str | None:
    """15.14-bookworm → 15.14, v2.53.5 → 2.53.5; None where there is no number in front."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", str(tag or ""))
    return found[1] if found else None


def profiles_of(document: Mapping[str, Any], services: Collection[str]) -> list[str]:
    """The fewest that have all of these: the first that each names."""
    return sorted({str(own[0]) for name in services if (own := document["services"][name].get("profiles"))})


def image_of(document: Mapping[str, Any], service: str) -> str:
    return plain(str(document["services"][service].get("image") or ""))


def wanted_hashes(text: str) -> dict[str, str]:
    """By service, from `compose config --hash *`: a line each, name and hash."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value:
            found[name] = value.strip()
    return found


def differing(
    services: Collection[str],
    jobs: Collection[str],
    wanted: Mapping[str, str],
    found: Collection[Box],
    *,
    unwanted: Collection[str] = (),
) -> dict[str, str]:
    """What must be done, by service: why it differs from what is wanted; and which of the unwanted are there all the same."""
    by_name: dict[str, Box] = {box.service: box for box in found}
    todo: dict[str, str] = {}
    for name in services:
        box = by_name.get(name)
        if box is None:
            todo[name] = "absent"
        elif box.config_hash != wanted.get(name):
            todo[name] = "changed"
        elif name in jobs:
            if box.status != "exited" or box.exit_code != 0:
                todo[name] = box.status
        elif box.status not in _SETTLED:
            todo[name] = box.status
    todo |= {name: "not wanted" for name in by_name if name in unwanted}
    return todo


def document_of(project: Project) -> dict[str, Any]:
    """What compose makes of its files and variables; an override of another version may name what is gone. Raises Failed."""
    try:
        found = json.loads(project.run("config", "--format", "json", bare=True))
    except ValueError:
        raise Failed("compose config printed no JSON") from None
    return dict(found)
