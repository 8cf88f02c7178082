"""The target profile: a deployment described by configuration alone (`inventories/<env>/target.yml`).

    target: {name: reference, production: false, allow: {writes: true, load: true, chaos: [process], hosts: []}}
    urls: {api: "{{ urls.api }}", ingest: "{{ urls.ingest }}", ui: null}
    identities: identities.json          # only where the environment has none of its own; beside this file
    auth:
      flow: json_login
      login: {post: /api/v1/auth/login, json: {username: "{username}", password: "{password}"},
              token: $.access_token, refresh: $.refresh_token, expires_in: $.expires_in}
      refresh: {post: /api/v1/auth/refresh, json: {refresh_token: "{refresh_token}"}}
      me: {get: /api/v1/auth/me, tenant: $.tenant_id}
      # or an OpenID provider: flow oidc_password, or oidc_code through its log-in page (needs redirect_uri)
      oidc: {issuer: "{{ urls.oidc }}", client_id: tester, secret_file: tester_password}
    stores: {shows: {loki: {duplicates: false}}}   # what the audit cannot see in a store that meta.capabilities names
    roles: {viewer: viewer, admin: null}     # canonical role: the deployment's own; null = not available
    operations:
      search.logs:
        post: /api/v1/search
        json: {type: logs, time_range: {from: "{from}", to: "{to}"}, filters: "{filters?}", limit: "{limit?}"}
        items: $.items
      traces.get: {get: "/api/v1/traces/{trace_id}", items: $.spans}
      ingest.logs: {post: "{{ urls.ingest }}/v1/logs", json: "{payload?}", probe: {payload: {resourceLogs: []}}}
    required: [auth.login, health.ready]

`extends: FILE` takes everything from another profile, its path as seen from this one; what is given here replaces it, in `urls`,
`operations`, `roles` and `expect` entry by entry. A path belongs to `urls.api`; a full URL (`"{{ urls.ingest }}/v1/logs"`) is taken as it is. `{name}` is filled by who
makes the request; `{name?}` is left out when not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from runners.config import document
from runners.config.document import Document, Seconds, Strict
from runners.lib.text import did_you_mean
from runners.target import jsonpath, template
from runners.target.canonical import CANONICAL

FLOWS = ("json_login", "oidc_password", "oidc_code", "static_token")
_MERGED = ("urls", "operations", "roles", "expect")
METHODS = ("get", "post", "put", "patch", "delete")


def _path(value: Any) -> str:
    return jsonpath.parse(str(value)).text


def _statuses(value: Any) -> Any:
    return [value] if isinstance(value, int) else value


PathText = Annotated[str, BeforeValidator(_path)]
Statuses = Annotated[tuple[int, ...], BeforeValidator(_statuses)]


class Allow(Strict):
    """What may be done to this target. hosts: names beside loopback that may be written to, loaded or broken."""

    writes: bool = False
    load: bool = False
    chaos: tuple[Literal["process", "container", "network", "host"], ...] = ()
    register_users: bool = False
    hosts: tuple[str, ...] = ()


class About(Strict):
    name: str
    production: bool = False
    allow: Allow = Allow()


class Request(Strict):
    """One HTTP request as a template: exactly one of get, post, put, patch, delete."""

    get: str | None = None
    post: str | None = None
    put: str | None = None
    patch: str | None = None
    delete: str | None = None
    body: Any = Field(default=None, alias="json")
    query: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_method(self) -> Request:
        given = [name for name in METHODS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a request has one method, this has {' and '.join(given) or 'none'}; write for example get: /path"
            )
        return self

    @property
    def method(self) -> str:
        return next(name for name in METHODS if getattr(self, name) is not None).upper()

    @property
    def path(self) -> str:
        return str(getattr(self, self.method.lower()))

    @property
    def variables(self) -> set[str]:
        """Variables that must be given."""
        return template.names([self.path, self.body, self.query, self.headers])

    @property
    def mentions(self) -> set[str]:
        """Variables that may be given."""
        return template.names([self.path, self.body, self.query, self.headers], optional=True)


class Login(Request):
    token: PathText
    refresh: PathText | None = None
    expires_in: PathText | None = None


class Renewal(Request):
    """token, refresh, expires_in: where they lie; as in `login` when left out."""

    token: PathText | None = None
    refresh: PathText | None = None
    expires_in: PathText | None = None


class Me(Request):
    tenant: PathText = "$.tenant_id"


class Oidc(Strict):
    """A client of an OpenID provider. secret_file: of a confidential client, in the environment's secrets or beside the
    profile; redirect_uri: where the code flow ends, as registered at the provider."""

    issuer: str
    client_id: str
    secret_file: str | None = None
    scope: str = "openid"
    redirect_uri: str | None = None


class Auth(Strict):
    """flow: how a bearer token is got. header, scheme: how it is sent."""

    flow: str
    oidc: Oidc | None = None
    login: Login | None = None
    refresh: Renewal | None = None
    me: Me | None = None
    header: str = "Authorization"
    scheme: str = "Bearer"


class Tenancy(Strict):
    metric_label: str = "tenant"
    trace_attribute: str = "tenant.id"
    log_label: str = "tenant"


class Ingest(Strict):
    idempotency: Literal["honoured", "none"] = "none"


class OpenApi(Strict):
    path: str = "/openapi.json"
    baseline: str | None = None


class OperationTemplate(Request):
    """items: where the list of the answer lies. role: who does it, when not who usually does. probe: variables for
    `verify`. status: what counts as success (default any 2xx). next: where the cursor of the next page lies.

    item: where the parts of an item lie, when it has not the canonical shape (see shape.py); `end` in the last line of an
    export and `count` beside it are named in the same way. id: where the id of what was made, or of an item, lies.
    subprotocols: the request opens a WebSocket and offers these; `{token}` in one is the identity's token.
    """

    items: PathText | None = None
    item: dict[str, PathText] = Field(default_factory=dict)
    next: PathText | None = None
    id: PathText = "$.id"
    subprotocols: tuple[str, ...] = ()
    role: str | None = None
    status: Statuses = ()
    probe: dict[str, Any] | Literal[False] = Field(default_factory=dict)


class ErrorParts(Strict):
    """Where an error's parts lie; null: errors do not carry it."""

    code: PathText | None = "$.error.code"
    message: PathText | None = "$.error.message"
    request_id: PathText | None = "$.error.request_id"


class Expect(Strict):
    """Statuses by what they say; where an error's parts lie; the header of the request id (null: answers have none)."""

    unauthenticated: Statuses = (401,)
    forbidden: Statuses = (403,)
    foreign: Statuses = (403, 404)
    invalid: Statuses = (400, 422)
    dependency_down: Statuses = (503,)
    error: ErrorParts = ErrorParts()
    request_id: str | None = "X-Request-ID"


class Shows(Strict):
    """What of an item a kind of store can show. resolution: of times; labels: attributes of point and resource are one set
    of labels with texts as values; duplicates: can a second copy of an item be seen?"""

    resolution: Seconds = 0.0
    labels: bool = False
    duplicates: bool = True


class Stores(Strict):
    """operation: tells which store keeps each signal; at: where in its answer, an object by signal; shows: by the store's
    name. A store that is not named shows everything."""

    operation: str = "meta.capabilities"
    at: PathText = "$.stores"
    shows: dict[str, Shows] = Field(default_factory=dict)

    def adapter(self, signal: str, document: Any) -> str | None:
        """The name of the store that keeps a signal; None when the answer does not say."""
        told = jsonpath.parse(self.at).value(document)
        found = told.get(signal) if isinstance(told, dict) else None
        return None if found is None else str(found)


class Profile(Strict):
    """The whole file; see the module's text for an example. frontend: whose test ids the pages at `urls.ui` carry."""

    target: About
    urls: dict[str, str | None]
    identities: str | None = None
    frontend: Literal["observastack"] | None = None
    openapi: OpenApi | None = None
    auth: Auth
    tenancy: Tenancy = Tenancy()
    ingest: Ingest = Ingest()
    stores: Stores | None = None
    roles: dict[str, str | None] = Field(default_factory=dict)
    operations: dict[str, OperationTemplate | None]
    expect: Expect = Expect()
    required: tuple[str, ...] = ("auth.login", "health.ready")
    _without: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def without(self) -> Mapping[str, str]:
        """Operations that the file describes and that this environment has no service for: the URL each would need."""
        return self._without


def load(path: Path, urls: Mapping[str, str | None] | None = None) -> Profile:
    """Read a profile; `urls` are those of the environment's state. Raises FileError with line and remedy.

    Without `urls` no environment is known: the file is only checked, and whatever URL it asks for is made up. URLs that
    the file gives itself count in what it extends, too: so a profile can be another one's in another place.
    """
    raw = document.read(path)
    if urls is not None:
        urls = {**_own_urls(raw.data), **urls}
    if isinstance(raw.data, dict) and "extends" in raw.data:
        raw = _extended(raw, urls)
    return check(raw, urls)


def _own_urls(data: Any) -> dict[str, str | None]:
    """Those that name no URL of an environment."""
    given = data.get("urls") if isinstance(data, dict) else None
    return {name: url for name, url in (given if isinstance(given, dict) else {}).items() if "{{" not in str(url)}


def _extended(raw: Document, urls: Mapping[str, str | None] | None, above: tuple[Path, ...] = ()) -> Document:
    """This profile over the one it extends. above: those that extend it. Raises FileError."""
    if not isinstance(raw.data["extends"], str):
        raise raw.error("extends must be the name of a file", ("extends",), "name a profile beside this one")
    base = document.read(raw.path.parent / raw.data["extends"])
    if isinstance(base.data, dict) and "extends" in base.data:
        if base.path.resolve() in above:
            raise raw.error("profiles extend each other in a circle", ("extends",), "one of them must stand alone")
        base = _extended(base, urls, (*above, raw.path.resolve()))
    check(base, urls)  # its mistakes are told with its own name and lines
    data = dict(base.data)
    for key, value in raw.data.items():
        merged = isinstance(value, dict) and isinstance(data.get(key), dict) and key in _MERGED
        data[key] = {**data[key], **value} if merged else value
    del data["extends"]
    return Document(raw.path, data, {**base.lines, **raw.lines})


def check(raw: Document, urls: Mapping[str, str | None] | None) -> Profile:
    """As `load`, from a parsed document."""
    if urls is None:
        urls = {name: f"http://{name.replace('_', '-')}.invalid" for name in template.url_names(raw.data)}
    without = _nowhere(raw.data, urls)
    if without:  # a path alone would be asked of the API, and answered by whoever that is
        raw = Document(raw.path, {**raw.data, "operations": raw.data["operations"] | dict.fromkeys(without)}, raw.lines)
    filled = template.fill_urls(raw, urls)
    profile = document.check(filled, Profile)
    profile._without.update(without)
    for name, url in profile.urls.items():
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise filled.error(f"urls.{name}: {url!r} is not an http(s) URL", ("urls", name))
    if not profile.urls.get("api"):
        raise filled.error("urls.api is missing", ("urls",), "add api: with the base URL of the deployment")
    for name in profile.operations:
        if name not in CANONICAL:
            raise filled.error(f"unknown operation '{name}'", ("operations", name), did_you_mean(name, CANONICAL))
    if profile.stores is not None and profile.stores.operation not in CANONICAL:
        name = profile.stores.operation
        raise filled.error(f"unknown operation '{name}'", ("stores", "operation"), did_you_mean(name, CANONICAL))
    for number, name in enumerate(profile.required):
        if name not in CANONICAL:
            raise filled.error(f"unknown operation '{name}'", ("required", number), did_you_mean(name, CANONICAL))
    _check_auth(filled, profile)
    return profile


def _nowhere(data: Any, urls: Mapping[str, str | None]) -> dict[str, str]:
    """Operations at a URL that the environment does not have (null), with the name of that URL."""
    operations = data.get("operations") if isinstance(data, dict) else None
    found = {}
    for name, described in operations.items() if isinstance(operations, dict) else ():
        if absent := sorted(url for url in template.url_names(described) if url in urls and urls[url] is None):
            found[name] = absent[0]
    return found


def _check_auth(source: Document, profile: Profile) -> None:
    flow = profile.auth.flow
    if flow not in FLOWS:
        raise source.error(f"auth.flow: '{flow}' is not a flow", ("auth", "flow"), did_you_mean(flow, FLOWS))
    if flow == "json_login" and profile.auth.login is None:
        raise source.error(
            "auth.flow json_login needs auth.login", ("auth",), "add login: {post: /path, json: {…}, token: $.…}"
        )
    oidc = profile.auth.oidc
    if flow.startswith("oidc_") and oidc is None:
        raise source.error(f"auth.flow {flow} needs auth.oidc", ("auth",), "add oidc: {issuer: …, client_id: …}")
    if flow == "oidc_code" and oidc is not None and oidc.redirect_uri is None:
        raise source.error("auth.flow oidc_code needs auth.oidc.redirect_uri", ("auth", "oidc"), "add redirect_uri: …")
