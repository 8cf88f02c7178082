"""Building images with the docker command, and what it says about those that are there.

The command and not the SDK: only the command speaks BuildKit, whose cache mounts and secrets the Dockerfiles use.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.environment.containers.engine import address
from runners.environment.images.context import Context
from runners.environment.images.recipe import Recipe
from runners.lib.errors import NotReady, TestbedError

STAND_IN_BASE = "testbed-base:bookworm"
OFFICIAL_BASE = "docker.io/library/debian:bookworm-slim"
BUILD_S, PULL_S, ASK_S = 1800.0, 600.0, 30.0
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class BuildFailed(TestbedError):
    """An image could not be built; the last lines of the build are in the message."""


@dataclass(frozen=True)
class Fetching:
    """Where a build fetches from: package indexes (empty: the usual ones), and the CA bundle that verifies them."""

    pip_index: str = ""
    npm_registry: str = ""
    ca: Path | None = None


def base_image(chosen: str = "", official: str = OFFICIAL_BASE) -> str:
    """The one that was chosen, else the stand-in where this engine has it, else the official one."""
    if chosen:
        return chosen
    return STAND_IN_BASE if image_id(STAND_IN_BASE) else official


def image_id(reference: str) -> str | None:
    """None when the engine does not have the image. Raises NotReady: no engine answers."""
    done = _docker("image", "inspect", "--format", "{{.Id}}", reference)
    if done.returncode == 0:
        return done.stdout.strip()
    if "no such image" in done.stderr.lower():
        return None
    raise no_engine(done.stderr)


def size(reference: str) -> int:
    """Bytes; 0 when the engine does not have it."""
    done = _docker("image", "inspect", "--format", "{{.Size}}", reference)
    return int(done.stdout) if done.returncode == 0 else 0


def build(
    recipe: Recipe, context: Context, reference: str, arguments: Mapping[str, str], fetching: Fetching, *, digest: str
) -> float:
    """Build it under that name; returns the seconds it took. Raises BuildFailed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="testbed-image-") as folder:
        dockerfile = context.write(Path(folder))
        command = ["build", "--progress", "plain", "--file", str(dockerfile), "--tag", reference]
        if recipe.target:
            command += ["--target", recipe.target]
        command += ["--label", f"testbed.image={recipe.name}", "--label", f"testbed.content={digest}"]
        given = {**arguments, "PIP_INDEX_URL": fetching.pip_index, "NPM_REGISTRY": fetching.npm_registry}
        for name, value in given.items():
            command += ["--build-arg", f"{name}={value}"] if value else []
        if fetching.ca is not None:
            command += ["--secret", f"id=ca,src={fetching.ca}"]
        done = _docker(*command, folder, timeout_s=BUILD_S)
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-20:]
        raise BuildFailed(
            f"image {recipe.name} could not be built:\n  " + "\n  ".join(lines),
            remedy="see the lines above; base image and package indexes are variables of playbooks/images.yml",
        )
    return time.monotonic() - began


def tags(name: str) -> list[str]:
    """All images of a service that were built here, as repository:tag."""
    wanted = f"label=testbed.image={name}"
    done = _docker("image", "ls", "--filter", wanted, "--format", "{{.Repository}}:{{.Tag}}")
    if done.returncode != 0:
        raise no_engine(done.stderr)
    return sorted(line for line in done.stdout.split() if "<none>" not in line)


def remove(reference: str) -> bool:
    """Whether it was there. An image that a container uses stays, and that raises TestbedError."""
    done = _docker("image", "rm", reference, timeout_s=PULL_S)
    if done.returncode == 0 or "no such image" in done.stderr.lower():
        return done.returncode == 0
    raise TestbedError(f"{reference} stays: {_last(done.stderr)}", remedy="take down the environment that uses it")


def remove_unused(reference: str) -> bool:
    """Whether it is gone: not when it was never there, nor when a container uses it."""
    return _docker("image", "rm", reference, timeout_s=PULL_S).returncode == 0


def pull(reference: str, *, timeout_s: float = PULL_S) -> str | None:
    """None when the engine has it now, else why not, in the engine's words."""
    done = _docker("pull", "--quiet", reference, timeout_s=timeout_s)
    return None if done.returncode == 0 else _last(done.stderr)


def repo_digest(reference: str) -> str | None:
    """The registry's digest (sha256:…) of an image that was pulled; None for one that no registry knows."""
    done = _docker("image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", reference)
    repository = reference.rpartition(":")[0].removeprefix("docker.io/").removeprefix("library/")
    for line in done.stdout.split() if done.returncode == 0 else ():
        name, _, digest = line.partition("@")
        if name.removeprefix("docker.io/").removeprefix("library/") == repository:
            return digest
    return None


def ca_bundle(chosen: str = "") -> Path | None:
    """The machine's CA bundle: sites that verify with a CA of their own have it there. Raises NotReady for a wrong choice."""
    if chosen:
        if not Path(chosen).is_file():
            raise NotReady("no such CA bundle", file=chosen, remedy="correct images_ca")
        return Path(chosen)
    named = (os.environ.get("REQUESTS_CA_BUNDLE"), os.environ.get("SSL_CERT_FILE"), *_BUNDLES)
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def no_engine(said: str) -> NotReady:
    return NotReady(f"no Docker engine answers: {_last(said)}", remedy="testbed doctor says how to get one")


def _docker(*arguments: str, timeout_s: float = ASK_S) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = ("docker", *arguments)
    # The engine that the SDK speaks to, and its own builder: a context or a builder that the user has chosen may be another.
    chosen = {"DOCKER_HOST": address(), "BUILDX_BUILDER": "default"}
    environment = {**os.environ, **chosen, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=timeout_s, env=environment
        )
    except FileNotFoundError:
        raise NotReady("the command docker is not on PATH", remedy="testbed doctor says how to get it") from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"docker {arguments[0]} took more than {timeout_s:g} s")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
