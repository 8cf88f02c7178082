"""The secrets of an environment: passwords, the signing key, the test identities. One file each in a 0700 folder: 0600, or 0644 for containers, whose users are others."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runners.lib.files import read_json, write_json

_ALPHABET = string.ascii_letters + string.digits
SHORTEST = 8  # of a given one: shorter values cannot be masked in what is shown
# Of a given one: what means itself in every file that a password is written into, and in JSON, where it is to be masked.
_PLAIN = re.compile(r"[A-Za-z0-9._~+/=:@,!*^?-]*", re.ASCII)
TENANT_ROLES = ("viewer", "editor", "analyst", "tenant_admin", "agent")


@dataclass(frozen=True)
class Lack:
    """What is wrong with one file. kind: value (it is not there) | addition (it lacks somebody) | mode."""

    path: str
    kind: Literal["value", "addition", "mode"]
    expected: str
    found: str


def lacking(
    folder: Path,
    passwords: Iterable[str],
    tenants: Mapping[str, str],
    *,
    mode: int = 0o600,
    rotate: bool = False,
    given: Mapping[str, str] | None = None,
) -> list[Lack]:
    """What `generate` would make or mend. rotate: as if there were none."""
    names = [f"{name}_password" for name in passwords] + ["jwt_private.pem", "jwt_public.pem"]
    missing = [Lack(str(folder / name), "value", "a file", "nothing") for name in names if not (folder / name).exists()]
    for name, complete in (
        ("identities.json", lambda known: identities_document(tenants, known or {}) == known),
        ("alert_webhook_tokens.json", lambda known: set(known or {}) == set(tenants)),
    ):
        known = read_json(folder / name)
        if known is None:
            missing.append(Lack(str(folder / name), "value", "a file", "nothing"))
        elif not complete(known):
            missing.append(Lack(str(folder / name), "addition", "every tenant", "others"))
    missing += [
        Lack(str(folder / name), "value", "the given one", "another one")
        for name, value in (given or {}).items()
        if (folder / name).exists() and (folder / name).read_text() != value
    ]
    if rotate:
        return [Lack(str(folder), "value", "new values", "the present ones")]
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    modes = [(path, mode) for path in there] + ([(folder, 0o700)] if folder.is_dir() else [])
    wrong = [
        Lack(str(path), "mode", f"mode {right:04o}", f"mode {found:04o}")
        for path, right in modes
        if (found := path.stat().st_mode & 0o777) != right
    ]
    return missing + wrong


def unusable(given: Mapping[str, str], passwords: Iterable[str]) -> str | None:
    """What is wrong with secrets that are given, in one sentence without a value; None when nothing is."""
    known = {f"{name}_password" for name in passwords}
    for name, value in sorted(given.items()):
        if name not in known:
            return f"a secret '{name}' is given, which no account of this environment has"
        if len(value) < SHORTEST:
            return f"the given {name} is shorter than {SHORTEST} characters"
        if not _PLAIN.fullmatch(value):
            return f"the given {name} has other characters than letters, digits and ._~+/=:@,!*^?-"
    return None


def drift(items: Iterable[Lack]) -> list[dict[str, str | None]]:
    """The same as items of `testbed drift`."""
    return [
        {"service": None, "kind": "secret", "path": item.path, "expected": item.expected, "found": item.found}
        for item in items
    ]


def forget(folder: Path) -> None:
    """Remove them all, what was derived from them too."""
    for path in folder.iterdir() if folder.is_dir() else ():
        path.unlink()


def generate(
    folder: Path,
    passwords: Iterable[str],
    tenants: Mapping[str, str],
    *,
    mode: int = 0o600,
    given: Mapping[str, str] | None = None,
) -> list[str]:
    """Make what is missing; returns the names of the files that are new, or got their mode back.

    passwords: names of services and roles, a file `<name>_password` each; tenants: id → display name; mode: of every file; given: content by file name, which is
    written instead of a generated one.
    """
    changed = []
    if not folder.is_dir() or folder.stat().st_mode & 0o777 != 0o700:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        changed.append(".")
    for name in passwords:
        path = folder / f"{name}_password"
        wanted = (given or {}).get(path.name)
        if not path.exists() or (wanted is not None and path.read_text() != wanted):
            _write(path, (wanted or password()).encode())
            changed.append(path.name)
    private, public = folder / "jwt_private.pem", folder / "jwt_public.pem"
    if not (private.exists() and public.exists()):
        key, opened = signing_key()
        _write(private, key)
        _write(public, opened)
        changed += [private.name, public.name]
    identities = folder / "identities.json"
    known = read_json(identities)
    document = identities_document(tenants, known or {})
    if document != known:
        write_json(identities, document)
        changed.append(identities.name)
    hooks = folder / "alert_webhook_tokens.json"
    known = read_json(hooks)
    document = {tenant: (known or {}).get(tenant) or password() for tenant in tenants}
    if document != known:
        write_json(hooks, document)
        changed.append(hooks.name)
    for path in folder.iterdir():
        if path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)
            changed.append(path.name)
    return changed


def password(length: int = 32) -> str:
    """Letters and digits only: safe in any file format, and as text in any event line."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def signing_key() -> tuple[bytes, bytes]:
    """A fresh RSA key of 2048 bits: (private PKCS#8 PEM, public SubjectPublicKeyInfo PEM)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def identities_document(tenants: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """identities.json: each tenant's user of each role, the platform's admin, and three that must be refused.

    known: an earlier document, whose passwords are kept.
    """
    kept = {user["username"]: user["password"] for user in known.get("users", [])}

    def user(name: str, tenant: str | list[str] | None, role: str, *, enabled: bool = True, kind: str = "test") -> Any:
        return {
            "username": name, "password": kept.get(name) or password(24), "email": f"{name}@testbed.invalid",
            "tenant": tenant, "roles": [role], "enabled": enabled, "kind": kind,
        }  # fmt: skip

    users = [user(f"{tenant}-{role.replace('_', '-')}", tenant, role) for tenant in tenants for role in TENANT_ROLES]
    users.append(user("platform-admin", None, "admin"))
    ids = list(tenants)
    users += [
        user("negative-disabled", ids[0], "viewer", enabled=False, kind="negative"),
        user("negative-no-tenant", None, "viewer", kind="negative"),
        user("negative-two-tenants", ids[:2], "viewer", kind="negative"),
    ]
    return {"tenants": [{"id": tenant, "name": name} for tenant, name in tenants.items()], "users": users}


def values(folder: Path) -> list[str]:
    """Every generated secret as text, for masking: passwords, and the body lines of the private key."""
    found: list[str] = []
    for path in sorted(folder.glob("*_password")):
        with contextlib.suppress(FileNotFoundError):  # they are being removed, or made anew
            found.append(path.read_text().strip())
    document = read_json(folder / "identities.json")
    found += [user["password"] for user in document["users"]] if document else []
    found += (read_json(folder / "alert_webhook_tokens.json") or {}).values()
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / "jwt_private.pem").read_text().splitlines()
        found += [line for line in lines if line and not line.startswith("-----")]
    return [value for value in found if value]


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
    temporary.rename(path)
