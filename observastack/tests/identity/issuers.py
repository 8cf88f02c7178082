"""Those who issue tokens, as tests speak to them: the platform's own, a real Keycloak, one that can be scripted."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from observastack.identity.keys import key_id
from observastack.tests.backend.serving import PREFIX, Backend
from observastack.tests.platform import PASSWORD
from tests.servers import KEYCLOAK_ADMIN_PASSWORD, Keycloak

TEST_CLIENT, TEST_SECRET = "observastack-test", "a secret of tests, long enough"


@dataclass(frozen=True)
class SignedIn:
    access: str
    refresh: str


class Refused(Exception):
    """No tokens: with this status and text."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.status_code} {answer.text}")
        self.status, self.document = answer.status_code, answer.json()


@dataclass(frozen=True)
class Key:
    """A signing key of an issuer that the test holds too, so that it can sign what the issuer never would."""

    private: rsa.RSAPrivateKey
    kid: str

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def private_pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.kid, **header})

    def confuse(self, claims: dict[str, Any]) -> str:
        """HS256 with the public key as the secret. By hand: PyJWT refuses to do this."""
        parts = [{"alg": "HS256", "typ": "JWT", "kid": self.kid}, claims]
        text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        return f"{text}.{_encoded(hmac.new(self.public_pem, text.encode(), hashlib.sha256).digest())}"

    def unsigned(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, "", algorithm="none", headers={"kid": self.kid})


def new_key() -> Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Key(private, key_id(private.public_key()))


class Issuer(Protocol):
    """key: one that it signs with now."""

    @property
    def name(self) -> str: ...

    @property
    def issuer(self) -> str: ...

    @property
    def audience(self) -> str: ...

    @property
    def key(self) -> Key: ...

    def sign_in(self, username: str, password: str = PASSWORD) -> SignedIn:
        """Raises Refused."""

    def renew(self, refresh: str) -> SignedIn:
        """Raises Refused."""


def claims(
    issuer: Issuer, tenant: str = "acme", roles: tuple[str, ...] = ("viewer",), /, **changes: Any
) -> dict[str, Any]:
    """Good claims of this issuer; a claim given as None is left out."""
    now = int(time.time())
    found = {
        "sub": str(uuid.uuid4()), "preferred_username": "somebody", "email": "somebody@example.test",
        "tenant_id": tenant, "roles": list(roles), "aud": issuer.audience, "iss": issuer.issuer, "iat": now,
        "exp": now + 300, "jti": uuid.uuid4().hex, **changes,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


@dataclass
class Local:
    """The platform's own issuer: the backend itself."""

    backend: Backend
    name: str = "local"

    def __post_init__(self) -> None:
        auth = self.backend.config.auth
        assert auth.private_key_file is not None
        private = serialization.load_pem_private_key(auth.private_key_file.read_bytes(), password=None)
        assert isinstance(private, rsa.RSAPrivateKey)
        self.issuer, self.audience = auth.issuer, auth.audience
        self.key = Key(private, key_id(private.public_key()))

    def sign_in(self, username: str, password: str = PASSWORD) -> SignedIn:
        return self._pair("login", {"username": username, "password": password})

    def renew(self, refresh: str) -> SignedIn:
        return self._pair("refresh", {"refresh_token": refresh})

    def _pair(self, what: str, body: dict[str, str]) -> SignedIn:
        answer = self.backend.client.post(f"{PREFIX}/auth/{what}", json=body)
        if answer.status_code != 200:
            raise Refused(answer)
        return SignedIn(answer.json()["access_token"], answer.json()["refresh_token"])


@dataclass
class Realm:
    """A real Keycloak's realm, and its administration."""

    server: Keycloak
    name: str = "keycloak"
    audience: str = "observastack-backend"

    def __post_init__(self) -> None:
        self.issuer = self.server.issuer
        self.client = httpx.Client(timeout=30, trust_env=False)
        self.metadata = self.client.get(f"{self.issuer}/.well-known/openid-configuration").json()
        self.key = self.rotate(new_key())

    def sign_in(self, username: str, password: str = PASSWORD, client: str = TEST_CLIENT) -> SignedIn:
        return self._grant(client, grant_type="password", username=username, password=password, scope="openid")

    def renew(self, refresh: str) -> SignedIn:
        return self._grant(TEST_CLIENT, grant_type="refresh_token", refresh_token=refresh)

    def _grant(self, client: str, **form: str) -> SignedIn:
        secret = {"client_secret": TEST_SECRET} if client == TEST_CLIENT else {}
        answer = self.client.post(self.metadata["token_endpoint"], data={"client_id": client, **secret, **form})
        if answer.status_code != 200:
            raise Refused(answer)
        return SignedIn(answer.json()["access_token"], answer.json()["refresh_token"])

    def rotate(self, key: Key) -> Key:
        """Keycloak signs with this key from now on; the earlier ones stay published. The key with the id it got."""
        component = {
            "name": f"own-{key.kid}", "providerId": "rsa", "providerType": "org.keycloak.keys.KeyProvider",
            "config": {
                "priority": [str(int(time.time()))], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"],
                "privateKey": [key.private_pem.decode()],
            },
        }  # fmt: skip
        self.administer("POST", "/components", component)
        number = RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True)["n"]
        (kid,) = [one["kid"] for one in self.client.get(self.metadata["jwks_uri"]).json()["keys"] if one["n"] == number]
        return Key(key.private, kid)

    def withdraw(self, key: Key) -> None:
        """Keycloak neither signs with this key nor publishes it any more."""
        for one in self.administer("GET", "/components?type=org.keycloak.keys.KeyProvider").json():
            if one["name"] == f"own-{key_id(key.private.public_key())}":
                self.administer("DELETE", f"/components/{one['id']}")

    def administer(self, method: str, path: str, body: Any = None) -> httpx.Response:
        grant = {
            "grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": KEYCLOAK_ADMIN_PASSWORD,
        }  # fmt: skip
        url = f"{self.server.url}/realms/master/protocol/openid-connect/token"
        token = self.client.post(url, data=grant).json()["access_token"]
        answer = self.client.request(
            method, f"{self.server.url}/admin/realms/{self.server.realm}{path}", json=body,
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        answer.raise_for_status()
        return answer


@dataclass
class Scripted:
    """An OpenID provider that answers what the test wants: it signs nobody in, it only has keys."""

    url: str
    keys: list[Key] = field(default_factory=list)
    name: str = "scripted"
    audience: str = "observastack-backend"
    body: bytes | None = None  # instead of any document
    status: int = 200
    asked: int = 0

    @property
    def issuer(self) -> str:
        return self.url

    @property
    def key(self) -> Key:
        return self.keys[-1]

    def sign_in(self, username: str, password: str = PASSWORD) -> SignedIn:
        raise NotImplementedError

    def renew(self, refresh: str) -> SignedIn:
        raise NotImplementedError

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked += path == "/keys"
        if self.body is not None or self.status != 200:
            return self.status, self.body or b"{}"
        if path == "/keys":
            listed = [
                {
                    **RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True),
                    "kid": key.kid,
                    "use": "sig",
                    "alg": "RS256",
                }
                for key in self.keys
            ]
            return 200, json.dumps({"keys": listed}).encode()
        document = {"issuer": self.issuer, "jwks_uri": f"{self.url}/keys", "token_endpoint": f"{self.url}/token"}
        return 200, json.dumps(document).encode()


@contextlib.contextmanager
def scripted(port: int) -> Iterator[Scripted]:
    provider = Scripted(f"http://127.0.0.1:{port}", [new_key()])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = provider.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Tests read no log."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
