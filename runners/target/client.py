"""The target of an environment: its profile, its identities and a client that speaks canonical operations."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from runners.lib.errors import FileError, NotReady
from runners.lib.files import read_json
from runners.lib.home import Environment
from runners.target import identities, jsonpath, profile
from runners.target.identities import Identities, Identity
from runners.target.oidc import SERVICE, Provider
from runners.target.operation import Answer, Operation, PreparedRequest
from runners.target.profile import Allow, Profile
from runners.target.tokens import Lock, Send, TokenSource

TIMEOUT_S = 30.0


class Target:
    """What is under test. Thread-safe; close it, or use it as a context manager."""

    def __init__(
        self,
        described: Profile,
        who: Identities,
        *,
        path: Path,
        timeout_s: float = TIMEOUT_S,
        client_secret: str | None = None,
    ) -> None:
        self.profile, self.identities, self.path = described, who, path
        self.name = described.target.name
        self.allow: Allow = described.target.allow
        self.tenants: list[str] = list(who.tenants)
        self.urls: dict[str, str] = {name: url for name, url in described.urls.items() if url}
        self.idempotency_honoured = described.ingest.idempotency == "honoured"
        self._operations = {
            name: Operation(name, template, self.urls["api"])
            for name, template in described.operations.items()
            if template is not None
        }
        # Loopback and test networks must not go through a proxy that the environment names.
        self._http = httpx.Client(timeout=timeout_s, trust_env=False)
        oidc = described.auth.oidc if described.auth.flow.startswith("oidc_") else None
        self._provider = None if oidc is None else Provider(oidc, client_secret, self._browser)
        self.tokens = self.token_source(lambda _purpose, request: self.send(request))

    def __repr__(self) -> str:
        return f"<Target {self.name} {self.urls['api']}>"

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def token_source(self, send: Send, *, lock: Callable[[], Lock] = threading.Lock) -> TokenSource:
        """A separate set of sessions, whose requests go through `send`. lock: makes a lock; gevent needs its own kind."""
        return TokenSource(self.profile.auth, self.urls["api"], send, self._provider, lock=lock)

    def _browser(self) -> httpx.Client:
        """A client of its own for one log-in: it must not come with another's cookies."""
        return httpx.Client(timeout=self._http.timeout, trust_env=False)

    def service(self) -> Identity:
        """The client that the tests are, acting for itself. Raises NotReady where the target knows no such thing."""
        oidc = self.profile.auth.oidc
        if self._provider is None or oidc is None or oidc.secret_file is None:
            raise NotReady(f"target {self.name} has no service account", remedy=f"describe auth.oidc in {self.path}")
        return Identity(
            f"service-account-{oidc.client_id}", self.tenants[0] if self.tenants else None, (), kind=SERVICE
        )

    def role(self, canonical: str) -> str | None:
        """The deployment's own name of a role; None where it has no such role."""
        return self.profile.roles.get(canonical, canonical)

    def identity(self, tenant: str | None, role: str) -> Identity:
        """A test user of this tenant (None: the platform) with this canonical role. Raises NotReady."""
        own = self.role(role)
        found = None if own is None else self.identities.find(tenant, own)
        if found is None:
            of = f"tenant {tenant}" if tenant else "the platform"
            reason = (
                f"target {self.name} has no role '{role}'" if own is None else f"no identity of {of} has role '{own}'"
            )
            raise NotReady(reason, remedy=f"add one to {self.identities.path}")
        return found

    def operation(self, name: str) -> Operation | None:
        """The operation, or None when this target has no such capability."""
        return self._operations.get(name)

    def told_tenant(self, answer: Answer) -> str | None:
        """The tenant that an answer of `auth.me` says the identity belongs to."""
        me = self.profile.auth.me
        said = None if me is None else jsonpath.parse(me.tenant).value(answer.json)
        return None if said is None else str(said)

    def require(self, action: str, kind: str | None = None) -> None:
        """Raises NotReady when `writes`, `load` or `chaos` (of a kind: process, container …) must not be done here."""
        if self.profile.target.production:
            raise NotReady(
                f"target {self.name} is in production: {action} is refused",
                remedy=f"choose another environment, or mend 'production' in {self.path}",
            )
        allowed = getattr(self.allow, action)
        if not allowed or (kind is not None and kind not in allowed):
            what = f"{action} of kind {kind}" if kind else action
            raise NotReady(
                f"target {self.name} does not allow {what}", remedy=f"set target.allow.{action} in {self.path}"
            )
        for name, url in self.urls.items():
            host = urlsplit(url).hostname or ""
            if not is_loopback(host) and host not in self.allow.hosts:
                raise NotReady(
                    f"{action} on {host} (urls.{name}) is refused: it is not this machine",
                    remedy=f"add it to target.allow.hosts in {self.path} if it may be tested",
                )

    def call(self, name: str, identity: Identity | None = None, **variables: Any) -> Answer:
        """Do an operation. A 401 is answered by one refresh and one more try. Raises NotReady (no such capability),
        template.MissingVariable, httpx.HTTPError."""
        operation = self.operation(name)
        if operation is None:
            url = self.profile.without.get(name)
            raise NotReady(
                f"target {self.name} has no capability {name}"
                + (f": there is no service at urls.{url}" if url else ""),
                remedy=f"describe it in {self.path}"
                if url is None
                else "provision the service that it needs: testbed up",
            )
        return self.send(operation.request(**variables), identity)

    def send(self, request: PreparedRequest, identity: Identity | None = None) -> Answer:
        """Send a request, with the identity's token if one is given."""
        if identity is None:
            return self._exchange(request)
        token = self.tokens.bearer(identity)
        answer = self._exchange(self.tokens.authorize(request, token))
        if answer.status == 401:
            self.tokens.invalidate(identity, token)
            answer = self._exchange(self.tokens.authorize(request, self.tokens.bearer(identity)))
        return answer

    def _exchange(self, request: PreparedRequest) -> Answer:
        started = time.monotonic()
        response = self._http.request(
            request.method, request.url, headers=dict(request.headers), json=request.json, content=request.content
        )
        latency = time.monotonic() - started
        try:
            document = response.json() if response.content else None
        except ValueError:
            document = None
        return Answer(response.status_code, document, latency, response.text[:4096], response.headers)


def is_loopback(host: str) -> bool:
    """Is this name this very machine?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_target(environment: Environment, *, timeout_s: float = TIMEOUT_S) -> Target:
    """The target of a provisioned or external environment. Raises NotReady (no such environment), FileError."""
    state = read_json(environment.state)
    if state is None:
        raise NotReady(
            f"environment '{environment.name}' does not exist",
            remedy=f"provision it with: testbed up {environment.name}",
        )
    if not state.get("target_file"):
        raise NotReady(
            f"environment '{environment.name}' has no target profile", remedy=f"run: testbed up {environment.name}"
        )
    path = Path(state["target_file"])
    urls: Mapping[str, str | None] = state.get("urls") or {}
    provisioned = state.get("kind") != "external"
    try:
        described = profile.load(path, urls)
    except FileError:
        if provisioned and urls.get("api", "") is None:
            raise NotReady(
                f"environment '{environment.name}' has no backend: there is nothing to ask",
                remedy=f"provision one with: testbed up {environment.name}",
            ) from None
        raise
    return Target(
        described, _identities(environment, described, path, provisioned), path=path, timeout_s=timeout_s,
        client_secret=_client_secret(environment, described, path),
    )  # fmt: skip


def _client_secret(environment: Environment, described: Profile, path: Path) -> str | None:
    """From the environment's secrets, else from beside the profile. Raises FileError."""
    oidc = described.auth.oidc
    if oidc is None or oidc.secret_file is None:
        return None
    own = environment.secrets / oidc.secret_file
    file = own if own.exists() else path.parent / oidc.secret_file
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"the secret of client {oidc.client_id} cannot be read ({type(error).__name__})",
            file=file, remedy="check auth.oidc.secret_file in the target profile",
        ) from None  # fmt: skip


def _identities(environment: Environment, described: Profile, path: Path, provisioned: bool) -> Identities:
    if described.identities is not None:
        return identities.load(path.parent / described.identities)
    if not environment.identities.exists() and (not provisioned or described.auth.flow == "static_token"):
        raise FileError(
            "no identities are named, and an environment that the testbed did not provision has none of its own",
            file=path, remedy="add identities: FILE, a JSON file beside this one with tenants and users",
        )  # fmt: skip
    return identities.load(environment.identities)
