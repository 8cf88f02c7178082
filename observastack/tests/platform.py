"""A configured platform for tests: keys, identities, configuration file, migrated database of its own."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from observastack import config as configuration
from observastack.config import Config
from observastack.store.migrate import migrate
from tests.servers import free_port

TENANTS = ("acme", "globex", "initech")
PASSWORD = "correct horse battery staple"


def identities() -> dict[str, Any]:
    """Tenants × roles, one agent each, a platform admin and the negatives; every password is PASSWORD."""
    users: list[dict[str, Any]] = []

    def add(name: str, tenant: str | list[str] | None, role: str, *, enabled: bool = True, kind: str = "test") -> None:
        users.append(
            {
                "username": name, "password": PASSWORD, "email": f"{name}@example.test", "tenant": tenant,
                "roles": [role], "enabled": enabled, "kind": kind,
            }
        )  # fmt: skip

    for tenant in TENANTS:
        for role in ("viewer", "editor", "analyst", "tenant_admin"):
            add(f"{tenant}-{role}", tenant, role)
        add(f"{tenant}-agent", tenant, "agent")
    add("platform-admin", None, "admin")
    add("disabled", "acme", "viewer", enabled=False, kind="negative")
    add("no-tenant", None, "viewer", kind="negative")
    add("two-tenants", ["acme", "globex"], "viewer", kind="negative")
    return {"tenants": [{"id": key, "name": key.title()} for key in TENANTS], "users": users}


def webhook_token(tenant: str) -> str:
    """The bearer of the tenant's alert webhook in test platforms."""
    return f"webhook-token-of-{tenant}-for-tests"


def make_keys(folder: Path) -> None:
    """jwt_private.pem and jwt_public.pem (RSA 2048)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "jwt_private.pem").write_bytes(private)
    (folder / "jwt_public.pem").write_bytes(public)


def write_config(folder: Path, postgres: str, redis: str | None = None, **changes: Any) -> Path:
    """observastack.json with a database name of its own. `changes` replace top-level keys; objects are merged."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "jwt_private.pem").exists():
        make_keys(folder)
    (folder / "identities.json").write_text(json.dumps(identities()))
    (folder / "alert_webhook_tokens.json").write_text(json.dumps({key: webhook_token(key) for key in TENANTS}))
    server, cache = urlsplit(postgres), urlsplit(redis or f"redis://127.0.0.1:{free_port()}")
    api = free_port()
    document: dict[str, Any] = {
        "environment": "test",
        "defects": [],
        "database": {
            "host": server.hostname, "port": server.port, "name": f"obs_{uuid.uuid4().hex[:12]}",
            "owner": {"user": server.username}, "read": {"user": "obs_read"}, "ingest": {"user": "obs_ingest"},
            "app": {"user": "obs_app"},
        },
        "redis": {"host": cache.hostname, "port": cache.port},
        "backend": {"host": "127.0.0.1", "port": api},
        "ingest": {"host": "127.0.0.1", "port": free_port(), "writers": 2, "queue_requests": 256, "group": 8},
        "auth": {
            "method": "local", "issuer": f"http://127.0.0.1:{api}", "audience": "observastack",
            "private_key_file": str(folder / "jwt_private.pem"), "public_key_file": str(folder / "jwt_public.pem"),
            "access_ttl_s": 300, "refresh_ttl_s": 86400,
        },
        "identities_file": str(folder / "identities.json"),
        "webhook_tokens_file": str(folder / "alert_webhook_tokens.json"),
        "test_data_api": True,
        "cors_origins": [],
    }  # fmt: skip
    for key, value in changes.items():
        document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    file = folder / "observastack.json"
    file.write_text(json.dumps(document, indent=1))
    file.chmod(0o600)
    return file


def build_platform(folder: Path, postgres: str, redis: str | None = None, **changes: Any) -> Config:
    """Write the files, migrate, return the configuration."""
    config = configuration.load(write_config(folder, postgres, redis, **changes), environ={})
    migrate(config)
    return config


class Tokens:
    """Mints access tokens as the backend's local issuer does."""

    def __init__(self, config: Config) -> None:
        assert config.auth.private_key_file is not None
        assert config.auth.public_key_file is not None
        self._auth = config.auth
        self._private = config.auth.private_key_file.read_bytes()
        key = serialization.load_pem_public_key(config.auth.public_key_file.read_bytes())
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.kid = hashlib.sha256(der).hexdigest()[:16]

    def __call__(self, tenant: Any = "acme", roles: tuple[str, ...] = ("agent",), **claims: Any) -> str:
        """A bearer token; a claim given as None is left out."""
        now = int(time.time())
        payload = {
            "sub": str(uuid.uuid4()), "preferred_username": f"{tenant}-user", "email": "user@example.test",
            "tenant_id": tenant, "roles": list(roles), "aud": self._auth.audience, "iss": self._auth.issuer,
            "iat": now, "exp": now + self._auth.access_ttl_s, "jti": uuid.uuid4().hex, **claims,
        }  # fmt: skip
        payload = {key: value for key, value in payload.items() if value is not None}
        return jwt.encode(payload, self._private, algorithm="RS256", headers={"kid": self.kid})
