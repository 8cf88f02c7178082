"""Tokens of an OpenID provider: by password, by the log-in page (authorization code with PKCE), or for a client itself.

Endpoints are found by discovery (OpenID Connect Discovery 1.0). The code flow follows RFC 6749 section 4.1, RFC 7636 and
what Keycloak's log-in page is: one form whose action carries the state of the log-in.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from runners.lib.errors import NotReady
from runners.target.identities import Identity
from runners.target.operation import PreparedRequest
from runners.target.profile import Oidc

SERVICE = "service"  # the kind of an identity that is a client acting for itself
_FORM = re.compile(r"<form\b[^>]*\baction=\"([^\"]+)\"[^>]*>", re.IGNORECASE)
_REDIRECTS = 5


class LoginRefused(NotReady):
    """The deployment does not give this identity a token."""


class Provider:
    """One client of one provider. secret: of a confidential client. open_client: makes an HTTP client for log-in pages."""

    def __init__(self, oidc: Oidc, secret: str | None, open_client: Callable[[], httpx.Client]) -> None:
        self._oidc, self._secret, self._open = oidc, secret, open_client
        self._metadata: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<Provider {self._oidc.issuer} client={self._oidc.client_id}>"

    def password(self, identity: Identity) -> PreparedRequest:
        return self._grant(
            grant_type="password", username=identity.username, password=identity.password, scope=self._oidc.scope
        )

    def client(self) -> PreparedRequest:
        """The client acting for itself: its service account."""
        return self._grant(grant_type="client_credentials")

    def renewal(self, refresh: str) -> PreparedRequest:
        return self._grant(grant_type="refresh_token", refresh_token=refresh)

    def code(self, identity: Identity) -> PreparedRequest:
        """Goes through the log-in page; the request exchanges the code that it gave. Raises LoginRefused."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        digest = hashlib.sha256(verifier.encode()).digest()
        redirect = self._oidc.redirect_uri or ""
        asked = {
            "client_id": self._oidc.client_id, "response_type": "code", "scope": self._oidc.scope, "state": state,
            "redirect_uri": redirect, "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }  # fmt: skip
        with self._open() as client:
            location = _sign_in(
                client, f"{self.endpoint('authorization_endpoint')}?{urlencode(asked)}", identity, redirect
            )
        told = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        if told.get("state") != state:
            raise LoginRefused(f"log-in of {identity.username}: the redirect carries another state than was sent")
        if told.get("iss", self._oidc.issuer) != self._oidc.issuer:  # RFC 9207
            raise LoginRefused(f"log-in of {identity.username}: the redirect names another issuer")
        if "code" not in told:
            raise LoginRefused(f"log-in of {identity.username} was refused: {told.get('error', 'it gave no code')}")
        return self._grant(
            grant_type="authorization_code", code=told["code"], redirect_uri=redirect, code_verifier=verifier
        )

    def endpoint(self, name: str) -> str:
        """Raises LoginRefused when the provider does not answer as one."""
        # No lock: who comes at the same time finds the same, and greenlets must not wait on a lock of threads.
        if self._metadata is None:
            self._metadata = self._discover()
        found = self._metadata.get(name)
        if not isinstance(found, str):
            raise LoginRefused(f"the provider {self._oidc.issuer} names no {name}")
        return found

    def _discover(self) -> Mapping[str, Any]:
        url = f"{self._oidc.issuer.rstrip('/')}/.well-known/openid-configuration"
        with self._open() as client:
            answer = client.get(url)
        try:
            document = answer.json() if answer.status_code == 200 else None
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("issuer") != self._oidc.issuer:
            raise LoginRefused(
                f"{url} is not the discovery document of this issuer (status {answer.status_code})",
                remedy="mend auth.oidc.issuer in the target profile",
            )
        return document

    def _grant(self, **form: str) -> PreparedRequest:
        form["client_id"] = self._oidc.client_id
        if self._secret is not None:
            form["client_secret"] = self._secret
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return PreparedRequest("POST", self.endpoint("token_endpoint"), headers, content=urlencode(form))


def _sign_in(client: httpx.Client, url: str, identity: Identity, redirect: str) -> str:
    """The address that the provider sends the browser back to. Raises LoginRefused."""
    page = client.get(url, follow_redirects=False)
    _keep_cookies(client)
    if page.status_code != 200 or (action := _FORM.search(page.text)) is None:
        raise LoginRefused(f"log-in of {identity.username}: no log-in page (status {page.status_code})")
    form = {"username": identity.username, "password": identity.password, "credentialId": ""}
    answer = client.post(html.unescape(action[1]), data=form, follow_redirects=False)
    for _ in range(_REDIRECTS):
        _keep_cookies(client)
        location = str(answer.headers.get("location", ""))
        if not answer.is_redirect:
            raise LoginRefused(f"log-in of {identity.username} was refused (the page answers {answer.status_code})")
        if location.partition("?")[0] == redirect:
            return location
        answer = client.get(location, follow_redirects=False)
    raise LoginRefused(f"log-in of {identity.username}: more than {_REDIRECTS} redirects")


def _keep_cookies(client: httpx.Client) -> None:
    """A browser counts loopback as secure and sends Secure cookies there over http; Python's cookie jar does not."""
    for cookie in client.cookies.jar:
        cookie.secure = False
