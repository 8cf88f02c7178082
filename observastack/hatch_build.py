"""Build hook of the distribution: the platform's pages must be there, built, before anything is packed.

They are made by npm and are no part of the repository; a wheel without them would install a platform without a web
server, and nobody would notice before `testbed up`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = Path("frontend") / "dist" / "index.html"


class PagesAreBuilt(BuildHookInterface[BuilderConfig]):
    """Refuses to pack without the bundle; a checkout that is installed in place (editable) works without it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's signature)
        """Raises SystemExit with the remedy, which hatchling shows without a traceback."""
        if version != "editable" and not (Path(self.root) / BUNDLE).is_file():
            raise SystemExit(
                f"observastack: {Path(self.root) / BUNDLE} is not there; a distribution without its pages is not built.\n"
                "  → build them first: make frontend (or both wheels with: make wheels)"
            )
