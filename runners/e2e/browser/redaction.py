"""A browser's trace without what would let its reader in: passwords as typed, tokens as sent and as answered.

A trace holds every argument, header and body of a session, and is kept for people who need not have the logins.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

MARK = "[redacted]"
_PICTURES = (".jpeg", ".jpg", ".png")
# RFC 7515, section 3.1: three parts of base64url, the first of which is a JSON object and so begins with eyJ.
_JWT = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]*")
# A field of a JSON document, which may be inside a text of another one and so be escaped.
_FIELD = re.compile(
    rb'(\\*"(?:access_token|refresh_token|id_token|password|temporary_password|code_verifier)\\*"\s*:\s*\\*")[^"\\]+'
)
_FORM = re.compile(rb"\b((?:access_token|refresh_token|id_token|password|code_verifier|code)=)[^&\"'\s\\]+")
# HAR 1.2, section headers: {"name": …, "value": …}. A WebSocket of a page brings its token as a subprotocol.
_HEADER = re.compile(
    rb'("name"\s*:\s*"(?:authorization|cookie|set-cookie|sec-websocket-protocol)"\s*,\s*"value"\s*:\s*")(?:[^"\\]|\\.)+',
    re.IGNORECASE,
)
_COOKIES = re.compile(rb'("cookies"\s*:\s*\[)[^\]]+')


def redact(trace: Path, clean: Path, secrets: Iterable[str]) -> None:
    """Write the trace (a zip file) again without these secrets and without anything that looks like a token."""
    known = sorted({form for one in secrets if one for form in _forms(one)}, key=len, reverse=True)
    with zipfile.ZipFile(trace) as old, zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, content if entry.filename.endswith(_PICTURES) else _without(content, known))


def _forms(secret: str) -> tuple[bytes, ...]:
    """As it is, and as addresses, forms and JSON write it."""
    return tuple(
        text.encode() for text in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    )


def _without(content: bytes, known: Iterable[bytes]) -> bytes:
    mark = MARK.encode()
    for one in known:
        content = content.replace(one, mark)
    for pattern in (_FIELD, _FORM, _HEADER):
        content = pattern.sub(rb"\g<1>" + mark, content)
    return _JWT.sub(mark, _COOKIES.sub(rb"\g<1>", content))
