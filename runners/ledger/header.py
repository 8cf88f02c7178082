"""What a ledger says about its run: enough to make every item again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runners.ledger.identity import Identity, identity
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json

HEADER = "header.json"
SCENARIO = "scenario.yaml"
ROWS = "attempts.bin"
SHARDS = "shard-*"
"""Folders in a ledger: what further processes of the run, or other hosts, wrote; ledgers themselves."""
FORMAT = 4
"""Goes up when the same scenario and seed give other items. The rows of all formats are read alike."""
_RESTORE = "restore it from a copy: nothing can be said of the run without it"
_KINDS: dict[str, type | tuple[type, ...]] = {
    "run": str, "environment": str, "sink": str, "scenario": str, "scenario_sha256": str, "seed": int, "start_ns": int,
    "duration_s": (int, float), "tenants": tuple, "code": str, "idempotent": bool, "also": tuple,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """run: whose items these are; start_ns: when tick 0 began; sink: where they went (null:, file:…, a URL of OTLP/HTTP,
    loki+ or prw+ a URL); also: where else they went;
    idempotent: whether every request carried an Idempotency-Key; code: version of the generator; v: whose world it is."""

    run: str
    environment: str
    sink: str
    scenario: str
    scenario_sha256: str
    seed: int
    start_ns: int
    duration_s: float
    tenants: tuple[str, ...]
    code: str
    idempotent: bool = True
    v: int = FORMAT
    also: tuple[str, ...] = ()

    @property
    def outlets(self) -> tuple[str, ...]:
        """All sinks; the rows name them by their place here."""
        return (self.sink, *self.also)

    @property
    def identity(self) -> Identity:
        return identity(self.run, self.tenants)

    def write(self, folder: Path) -> None:
        write_json(folder / HEADER, asdict(self))


def read_header(folder: Path) -> Header:
    """Raises NotReady when the folder holds no ledger that this version can read."""
    path = folder / HEADER
    document: Any = read_json(path)
    if not isinstance(document, dict):
        if path.exists():
            raise NotReady("the ledger's header is damaged: it is no JSON object", file=path, remedy=_RESTORE)
        raise NotReady(
            f"{folder} holds no ledger", remedy="give a run of `testbed data generate`, or its ledger folder"
        )
    if document.get("v") not in range(1, FORMAT + 1):
        raise NotReady(
            f"the ledger in {folder} has format {document.get('v')}; this version reads 1 to {FORMAT}",
            remedy=f"read it with the version that wrote it ({document.get('code', 'not named')}), or a later one",
        )
    document = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    try:
        header = Header(**document)
    except TypeError as error:
        raise NotReady(f"the ledger's header is damaged: {error}", file=path, remedy=_RESTORE) from None
    for name, kind in _KINDS.items():
        value = getattr(header, name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise NotReady(f"the ledger's header is damaged: {name} is {value!r}", file=path, remedy=_RESTORE)
    if not header.tenants or not all(isinstance(name, str) for name in header.tenants + header.also):
        raise NotReady("the ledger's header is damaged: tenants and sinks are names", file=path, remedy=_RESTORE)
    if not 0 < header.duration_s < float("inf"):
        raise NotReady(f"the ledger's header is damaged: duration_s is {header.duration_s}", file=path, remedy=_RESTORE)
    return header
