"""What is kept of a browser's session lets nobody in."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from runners.e2e.browser.redaction import MARK, redact

PASSWORD = 's3cret&word "quoted"'
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
REFRESH = "opaque-refresh-token"


def session() -> dict[str, bytes]:
    """The shapes in which a trace of Playwright holds them."""
    headers = [
        {"name": "Authorization", "value": "Bearer opaque-access-token"}, {"name": "Cookie", "value": 'sid="opaque-cookie"'},
        {"name": "Sec-WebSocket-Protocol", "value": "observastack.v1, bearer.opaque-bearer"}, {"name": "Accept", "value": "*/*"},
    ]  # fmt: skip
    cookies = [{"name": "sid", "value": "opaque-jar"}]
    form = f"grant_type=authorization_code&code=opaque-code&refresh_token={REFRESH}&client_id=ui"
    return {
        "trace.trace": json.dumps({"method": "fill", "params": {"value": PASSWORD}}).encode(),
        "trace.network": json.dumps({"request": {"headers": headers, "cookies": cookies, "url": "/x"}}).encode(),
        "resources/login.json": json.dumps(
            {"access_token": TOKEN, "refresh_token": REFRESH, "expires_in": 900}
        ).encode(),
        "resources/sent.json": json.dumps({"username": "me", "password": PASSWORD}).encode(),
        "resources/form": f"{form}&password=s3cret%26word+%22quoted%22".encode(),
        "resources/nested.json": json.dumps({"body": json.dumps({"refresh_token": REFRESH})}).encode(),
        "resources/page.jpeg": b"\xff\xd8 pixels",
    }


def redacted(folder: Path, parts: dict[str, bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(folder / "raw.zip", "w") as raw:
        for name, content in parts.items():
            raw.writestr(name, content)
    redact(folder / "raw.zip", folder / "clean.zip", [PASSWORD])
    with zipfile.ZipFile(folder / "clean.zip") as clean:
        return {name: clean.read(name) for name in clean.namelist()}


def test_no_password_and_no_token_is_left_in_any_part(tmp_path: Path) -> None:
    for name, content in redacted(tmp_path, session()).items():
        text = content.decode(errors="replace")
        for secret in ("s3cret", "opaque", "eyJ"):
            assert secret not in text, f"{secret} in {name}: {text}"


def test_the_rest_stays_and_stays_readable(tmp_path: Path) -> None:
    found = redacted(tmp_path, session())
    assert found.keys() == session().keys()
    assert found["resources/page.jpeg"] == session()["resources/page.jpeg"]
    network = json.loads(found["trace.network"])["request"]
    assert network["url"] == "/x" and network["headers"][-1] == {"name": "Accept", "value": "*/*"}
    assert json.loads(found["resources/login.json"]) == {
        "access_token": MARK, "refresh_token": MARK, "expires_in": 900,
    }  # fmt: skip
    assert json.loads(json.loads(found["resources/nested.json"])["body"]) == {"refresh_token": MARK}
