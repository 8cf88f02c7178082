"""Write the documents of a run into a folder."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runners.lib.errors import TestbedError, UsageError
from runners.lib.home import Home
from runners.lib.text import did_you_mean
from runners.report import junit, markdown, page
from runners.report.collect import collect, to_json
from runners.report.model import Report

FILES = {"html": "report.html", "md": "summary.md", "junit": "junit.xml", "json": "report.json"}
DEFAULT_FORMATS = tuple(FILES)


def write(home: Home, run_id: str, formats: Sequence[str] = DEFAULT_FORMATS, folder: Path | None = None) -> list[Path]:
    """The files written; default folder: the run's own `report/`. A document is replaced whole or not at all.

    Raises UsageError for an unknown format, FileError when the run has no events.
    """
    for name in formats:
        if name not in FILES:
            raise UsageError(f"unknown report format '{name}'", remedy=did_you_mean(name, FILES))
    source = home.run(run_id)
    report = collect(source)
    folder = folder or source / "report"
    digest = hashlib.sha256((source / "events.jsonl").read_bytes()).hexdigest()
    makers: dict[str, Callable[[Report], str]] = {
        "html": lambda report: page.render(report, written_at=time.time(), events_sha256=digest),
        "md": markdown.render,
        "junit": junit.render,
        "json": to_json,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_replace(folder / FILES[name], makers[name](report)) for name in formats]
    except OSError as error:
        raise TestbedError(
            f"the report cannot be written: {error.strerror}", file=folder, remedy="choose another folder with -o"
        ) from None


def _replace(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
