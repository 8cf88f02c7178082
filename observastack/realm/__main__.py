"""`python -m observastack.realm --identities FILE --test-secret FILE --web ORIGIN --out FILE`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from observastack.config import read_secret
from observastack.errors import EXIT_NOT_READY, PlatformError
from observastack.realm.clients import Origins
from observastack.realm.document import Lifetimes, realm
from observastack.store.identities import load_identities


def main(arguments: list[str] | None = None) -> int:
    """Write the realm file, or leave it when it says so already. Exit code 2 with a sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="observastack.realm", description="Generate the Keycloak realm of a platform from its identities file."
    )
    parser.add_argument("--identities", required=True, type=Path, metavar="FILE", help="tenants and users (JSON)")
    parser.add_argument("--test-secret", required=True, type=Path, metavar="FILE", help="secret of observastack-test")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the realm file; holds passwords")
    parser.add_argument(
        "--web", required=True, action="append", type=_origin, metavar="ORIGIN", help="of the frontend; repeatable"
    )
    parser.add_argument("--access-ttl", type=int, default=Lifetimes.access, metavar="S", help="of an access token")
    parser.add_argument(
        "--mode", type=_mode, default=0o600, metavar="MODE", help="0600, or 0644 where a folder of mode 0700 guards it"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the file would be written")
    options = parser.parse_args(arguments)
    if options.check and not (options.identities.exists() and options.test_secret.exists()):
        print("realm would be written: there are no identities yet")
        return 0
    try:
        document = realm(
            load_identities(options.identities),
            origins=Origins(tuple(dict.fromkeys(options.web))),
            test_secret=read_secret(options.test_secret),
            lifetimes=Lifetimes(access=options.access_ttl),
        )
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY
    users, tenants = len(document["users"]), len(document["groups"][0]["subGroups"])
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    up_to_date = _up_to_date(options.out, text, options.mode)
    made = not up_to_date if options.check else _write(options.out, text, options.mode)
    print(f"realm {document['realm']} {'written' if made else 'up to date'}; {tenants} tenants, {users} users")
    return 0


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or "*" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not an origin such as http://127.0.0.1:3000")
    return f"{parts.scheme}://{parts.netloc}"


def _mode(text: str) -> int:
    if text not in ("0600", "0644"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0600 nor 0644")
    return int(text, 8)


def _up_to_date(file: Path, text: str, mode: int) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text and file.stat().st_mode & 0o777 == mode


def _write(file: Path, text: str, mode: int) -> bool:
    """Whether it changed. Beside its place first, then renamed: never half there."""
    if _up_to_date(file, text, mode):
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as out:
        os.fchmod(out.fileno(), mode)
        out.write(text)
    temporary.rename(file)
    return True


if __name__ == "__main__":
    sys.exit(main())
