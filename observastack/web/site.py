"""The built frontend, held in memory: some hundred kilobytes, and no path of a request ever touches the file system."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from observastack.errors import PlatformError

INDEX = "index.html"
MAX_BYTES = 64 << 20
_SMALLEST_TO_COMPRESS = 1024
_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/manifest+json")
# The name that a bundler gives to a file whose content never changes: index-BxZ81kQm.js
_HASHED = re.compile(r"/assets/[^/]*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+")
_SUFFIXES = {"br": ".br", "gzip": ".gz"}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2", ".webmanifest": "application/manifest+json", ".map": "application/json"}  # fmt: skip


@dataclass(frozen=True)
class Asset:
    """One file. encodings: its content by HTTP content coding, `identity` always among them."""

    path: str
    media_type: str
    etag: str
    immutable: bool
    encodings: Mapping[str, bytes] = field(repr=False)

    def best(self, accept_encoding: str) -> tuple[str, bytes]:
        """The smallest form that the client takes (RFC 9110, 12.5.3)."""
        accepted = accepted_codings(accept_encoding)
        fit = [(coding, body) for coding, body in self.encodings.items() if coding == "identity" or coding in accepted]
        return min(fit, key=lambda item: len(item[1]))


class Site:
    """All files of a folder; read again when a new build has replaced index.html."""

    def __init__(self, root: Path) -> None:
        """Raises PlatformError when there is no index.html."""
        self._root = root
        self._built: tuple[int, int] | None = None
        self._assets: dict[str, Asset] = {}
        if not self._refresh():
            raise PlatformError(
                "the frontend is not built: index.html is missing", file=root, remedy="build it with: make frontend"
            )

    def find(self, path: str) -> Asset | None:
        """The file of this URL path, or index.html for a route of the application; None for a file that is missing."""
        self._refresh()
        if (asset := self._assets.get(path)) is not None:
            return asset
        return None if "." in path.rpartition("/")[2] or path.startswith("/assets/") else self._assets[f"/{INDEX}"]

    def ready(self) -> bool:
        """Is the folder still there? What was read before is served all the same."""
        return (self._root / INDEX).is_file()

    def _refresh(self) -> bool:
        try:
            found = (self._root / INDEX).stat()
        except OSError:
            return self._built is not None  # a build is being replaced: the old one is served meanwhile
        if (found.st_mtime_ns, found.st_ino) != self._built:
            self._assets = load(self._root)
            self._built = found.st_mtime_ns, found.st_ino
        return True


def load(root: Path) -> dict[str, Asset]:
    """By URL path. Links are not followed out of the folder. Raises PlatformError when it is no site's size."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.resolve().is_relative_to(root.resolve()))
    if sum(path.stat().st_size for path in files) > MAX_BYTES:
        raise PlatformError(
            f"this is larger than {MAX_BYTES >> 20} MiB", file=root, remedy="name the built frontend in web.root"
        )
    found: dict[str, Asset] = {}
    for path in files:
        if path.suffix in _SUFFIXES.values() and path.with_suffix("").is_file():
            continue  # the compressed form of its neighbour
        name = "/" + path.relative_to(root).as_posix()
        found[name] = _asset(path, name)
    return found


def accepted_codings(header: str) -> set[str]:
    """The content codings of an Accept-Encoding header that are not refused by q=0."""
    accepted = set()
    for part in header.split(","):
        coding, _, parameters = part.strip().partition(";")
        quality = parameters.strip().removeprefix("q=").strip()
        try:
            if not quality or float(quality) > 0:
                accepted.add(coding.strip().lower())
        except ValueError:
            continue
    return accepted


def _asset(path: Path, name: str) -> Asset:
    body = path.read_bytes()
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    encodings = {"identity": body}
    for coding, suffix in _SUFFIXES.items():
        compressed = path.with_name(path.name + suffix)
        if compressed.is_file():
            encodings[coding] = compressed.read_bytes()
    text = media_type.startswith(_COMPRESSIBLE)
    if text and "gzip" not in encodings and len(body) >= _SMALLEST_TO_COMPRESS:
        encodings["gzip"] = gzip.compress(body, 6, mtime=0)
    return Asset(
        name, f"{media_type}; charset=utf-8" if text else media_type, hashlib.sha256(body).hexdigest()[:32],
        bool(_HASHED.fullmatch(name)), encodings,
    )  # fmt: skip
