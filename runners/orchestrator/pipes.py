"""Bytes from a runner's pipes into event bodies: whole lines, checked, never longer than the protocol allows."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from runners.events import MAX_LINE, body

_RESERVED = ("v", "seq", "run", "stage")  # the shim's own words
_CHUNK = 1 << 16


class Lines:
    """Splits a non-blocking pipe into lines; what exceeds the greatest length is cut and the rest of it skipped.

    torn: whether the pipe ended in the middle of a line.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = self.torn = False
        self._buffer = b""
        self._skipping = False

    def read(self) -> list[bytes]:
        """All whole lines that are there now."""
        lines: list[bytes] = []
        for _ in range(64):  # 4 MiB a turn: a flood must not keep the shim from its signals
            try:
                chunk = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk:
                self.torn |= bool(self._buffer)
                self._buffer, self.ended = b"", True
                break
            self._split(chunk, lines)
        return lines

    def _split(self, chunk: bytes, lines: list[bytes]) -> None:
        *whole, self._buffer = (self._buffer + chunk).split(b"\n")
        if whole and self._skipping:
            del whole[0]
            self._skipping = False
        lines.extend(whole)
        if len(self._buffer) > MAX_LINE:
            if not self._skipping:
                lines.append(self._buffer)
            self._buffer, self._skipping = b"", True


def event_of(line: bytes) -> tuple[bytes, dict[str, Any]] | None:
    """(body, the parsed event) of a line of the event pipe; a line that is no event becomes a `log`. None: empty."""
    line = line.strip()
    if not line:
        return None
    if len(line) > MAX_LINE:
        return _complaint("event too long, cut", line, cut=len(line))
    try:
        event = json.loads(line.decode(), parse_constant=_no_number)
        kind = event["type"]
        float(event["ts"]), int(event["mono_ns"])
        if not isinstance(kind, str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        return _complaint("not an event", line)
    if any(word in event for word in _RESERVED):
        event = {key: value for key, value in event.items() if key not in _RESERVED}
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    return line, event


def output_of(line: bytes) -> bytes | None:
    """The `output` event of a line of standard output or standard error; None when it is empty."""
    if not line:
        return None
    fields: dict[str, Any] = {"text": line[: MAX_LINE // 4].decode("utf-8", "replace")}
    if len(line) > MAX_LINE // 4:
        fields["cut"] = len(line)
    return body("output", **fields)


def _complaint(message: str, line: bytes, **fields: Any) -> tuple[bytes, dict[str, Any]]:
    raw = line[:4096].decode("utf-8", "replace")
    return body("log", level="warn", message=message, raw=raw, **fields), {"type": "log"}


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
