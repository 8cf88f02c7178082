"""Pin official images: pull each, and write down the digest under which the registry has it. A digest is never invented."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from runners.environment.images import engine
from runners.lib.errors import NotReady

HEADER = "---\n# Written by playbooks/images-lock.yml: what the tags in images.yml stood for when it ran.\n"
FIRST_S = 60.0


def digests(described: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Name → sha256:… of every image that has a repository. Raises NotReady: a registry does not answer, or not with it."""
    found: dict[str, str] = {}
    for name, entry in described.items():
        if not (repository := entry.get("repository")):
            continue
        reference = f"{repository}:{entry['tag']}"
        # A registry that does not answer is told at the first image, and soon.
        reason = engine.pull(reference, timeout_s=engine.PULL_S if found else FIRST_S)
        digest = None if reason else engine.repo_digest(reference)
        if digest is None:
            raise NotReady(
                f"{reference} cannot be pulled: {reason or 'the engine knows no digest of it'}",
                remedy="run this where its registry answers, or point testbed_images at a mirror; nothing was written",
            )
        found[name] = digest
    return found


def write(file: Path, found: Mapping[str, str]) -> bool:
    """Whether it said something else before."""
    text = HEADER + yaml.safe_dump({"testbed_digests": dict(sorted(found.items()))}, default_flow_style=False)
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return False
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
    return True
