"""The configuration file of all platform processes: `--config FILE`, JSON, mode 0600.

Plain dataclasses and not pydantic: the ingest gateway reads this while it is down after a crash, and the import of
pydantic alone would double the time until it listens again.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from observastack import defects
from observastack.errors import ConfigError

Role = Literal["owner", "read", "ingest", "app"]


def read_secret(path: Path) -> str:
    """The first line of a secret file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the secret cannot be read: {error}", file=path, remedy="check the file and its mode"
        ) from error


@dataclass(frozen=True)
class Login:
    """A database role and where its password lies. No password file: the server trusts the role."""

    user: str
    password_file: Path | None = None

    def password(self) -> str | None:
        return None if self.password_file is None else read_secret(self.password_file)


@dataclass(frozen=True)
class Database:
    """PostgreSQL: one login per duty (`owner` migrates, `read` searches, `ingest` writes signals, `app` keeps users)."""

    host: str
    port: int
    name: str
    owner: Login
    read: Login
    ingest: Login
    app: Login

    def connection(self, role: Role, *, database: str | None = None) -> dict[str, Any]:
        """Keyword arguments for psycopg.connect() and its pools."""
        login: Login = getattr(self, role)
        arguments: dict[str, Any] = {
            "host": self.host, "port": self.port, "dbname": database or self.name, "user": login.user,
            "connect_timeout": 3, "application_name": f"observastack-{role}",
        }  # fmt: skip
        if (password := login.password()) is not None:
            arguments["password"] = password
        return arguments


@dataclass(frozen=True)
class Redis:
    host: str
    port: int
    password_file: Path | None = None

    def password(self) -> str | None:
        return None if self.password_file is None else read_secret(self.password_file)


@dataclass(frozen=True)
class Backend:
    host: str
    port: int


@dataclass(frozen=True)
class Ingest:
    """The write gateway. Sizes in bytes, times in seconds.

    max_inflated_bytes, max_json_bytes: a body takes many times its size while it is decoded (up to 65 times for protobuf made
    to that end), so an inflated one may not be larger than one that was never compressed, and JSON only half of it.
    """

    host: str
    port: int
    writers: int = 2
    queue_requests: int = 256
    queue_bytes: int = 64 << 20
    group: int = 8
    max_body_bytes: int = 16 << 20
    max_inflated_bytes: int = 16 << 20
    max_json_bytes: int = 8 << 20
    oldest_s: int = 35 * 86400
    newest_s: int = 3600
    head_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    answer_timeout_s: float = 30.0
    shutdown_s: float = 10.0


@dataclass(frozen=True)
class Auth:
    """Who issues access tokens. Times in seconds.

    method: `local` (own log-in; both key files) or `oidc` (an OpenID provider, found by discovery at `issuer`).
    provider_url: scheme://host:port where this process reaches the provider, when the issuer's own address is for browsers
    (in containers). client_id: the frontend's, at the provider. leeway_s: how far the provider's clock may be off. keys_interval_s: the
    least time between two requests for keys that are not known; keys_age_s: after which known ones are asked for again.
    refresh_ttl_s: with oidc, how long a session may go on at the provider: so long an ended one is remembered.
    """

    issuer: str
    audience: str
    public_key_file: Path | None = None
    method: str = "local"
    private_key_file: Path | None = None
    access_ttl_s: int = 300
    refresh_ttl_s: int = 86400
    provider_url: str | None = None
    client_id: str = "observastack-frontend"
    leeway_s: int = 0
    keys_interval_s: float = 10.0
    keys_age_s: float = 300.0

    @property
    def accepted_s(self) -> int:
        """How long a token that is issued now can be used: so long its end must be remembered."""
        return self.access_ttl_s + self.leeway_s


@dataclass(frozen=True)
class Stores:
    """Which adapter keeps each signal, and where the real back ends are. timeout_s: per request to one of them.

    tempo_otlp: host:port of Tempo's OTLP/gRPC receiver; what is written goes there, what is asked goes to tempo_url.
    """

    logs: str = "embedded"
    metrics: str = "embedded"
    traces: str = "embedded"
    loki_url: str | None = None
    prometheus_url: str | None = None
    tempo_url: str | None = None
    tempo_otlp: str | None = None
    timeout_s: float = 5.0


@dataclass(frozen=True)
class Web:
    """The web server. root: the built frontend; the one in the package when not given."""

    host: str = "127.0.0.1"
    port: int = 3000
    root: Path | None = None


@dataclass(frozen=True)
class Limits:
    """Per tenant (requests), per user name (logins) and per process (live streams); 0 lifts a limit.

    stream_tenant_share: of the live streams that one tenant may have open; stream_unauthenticated: sockets that have not
    said yet who they are.
    """

    requests_per_minute: int = 0
    login_per_minute: int = 0
    stream_connections: int = 2000
    stream_tenant_share: float = 0.75
    stream_unauthenticated: int = 100


@dataclass(frozen=True)
class Prices:
    """What stored telemetry costs: per 10⁹ bytes as JSON, per million samples."""

    currency: str = "USD"
    per_gb_logs: float = 0.50
    per_gb_traces: float = 0.30
    per_million_samples: float = 0.10


@dataclass(frozen=True)
class SelfTelemetry:
    """Where the platform sends the traces of its own requests (base of OTLP/HTTP); nowhere when not given.

    sample_ratio: share of the requests that are recorded when the client has not decided it by a traceparent.
    """

    otlp_url: str | None = None
    sample_ratio: float = 0.1


_ADAPTERS = {"logs": "loki", "metrics": "prometheus", "traces": "tempo"}


@dataclass(frozen=True)
class Config:
    """Everything a platform process needs to know; `file` is where it was read from."""

    environment: str
    database: Database
    redis: Redis
    backend: Backend
    ingest: Ingest
    auth: Auth
    identities_file: Path
    defects: tuple[str, ...] = ()
    test_data_api: bool = False
    cors_origins: tuple[str, ...] = ()
    stores: Stores = Stores()
    alertmanager_url: str | None = None
    webhook_tokens_file: Path | None = None
    web: Web = Web()
    limits: Limits = Limits()
    prices: Prices = Prices()
    telemetry: SelfTelemetry = SelfTelemetry()
    file: Path = field(default=Path("-"))


def load(path: Path | str, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the file, add the defects of OBSERVASTACK_DEFECTS. Raises ConfigError."""
    file = Path(path)
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", file=file, remedy="name the file with --config"
        ) from error
    except ValueError as error:
        raise ConfigError(f"is not JSON: {error}", file=file, remedy="correct the file") from error
    if isinstance(document, dict) and "file" in document:
        raise ConfigError("unknown key file", file=file, remedy="remove it")
    config: Config = _read(Config, document, "", file)
    if config.test_data_api and defects.is_production(config.environment):
        raise ConfigError(
            "test_data_api is on in production", file=file, remedy="set test_data_api to false or change environment"
        )
    _check_stores(config.stores, file)
    wanted = (os.environ if environ is None else environ).get("OBSERVASTACK_DEFECTS", "")
    names = tuple(dict.fromkeys((*config.defects, *(name.strip() for name in wanted.split(",") if name.strip()))))
    try:
        defects.check(names, config.environment)
    except ValueError as error:
        raise ConfigError(str(error), file=file, remedy="correct `defects` or OBSERVASTACK_DEFECTS") from error
    return dataclasses.replace(config, defects=names, file=file)


def _check_stores(stores: Stores, file: Path) -> None:
    """Every signal by an adapter that exists, and each real one with its addresses. Raises ConfigError."""
    for signal, real in _ADAPTERS.items():
        chosen = getattr(stores, signal)
        if chosen not in ("embedded", real):
            raise ConfigError(
                f"stores.{signal} is {chosen!r}", file=file, remedy=f"choose embedded or {real} for stores.{signal}"
            )
        needed = [f"{real}_url", *(["tempo_otlp"] if real == "tempo" else [])]
        for name in needed if chosen == real else ():
            if getattr(stores, name) is None:
                raise ConfigError(f"stores.{name} is missing", file=file, remedy=f"add stores.{name}")


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any, where: str, file: Path) -> Any:
    """The value as the annotated type. Raises ConfigError naming the dotted key."""
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _read(get_args(kind)[0], value, where, file)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, "a list", value, file)
        return tuple(_read(get_args(kind)[0], item, f"{where}[{number}]", file) for number, item in enumerate(value))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_object(kind, value, where, file)
    if kind is Path:
        if not isinstance(value, str) or not value:
            raise _wrong(where, "a path", value, file)
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # bool is a subclass of int: `port: true` must not pass
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong(
            where, {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[kind], value, file
        )
    if kind is float and not math.isfinite(value):  # Python's JSON knows NaN and Infinity
        raise _wrong(where, "a finite number", value, file)
    if kind in (int, float) and value < 0:
        raise _wrong(where, "not negative", value, file)
    return value


def _read_object(kind: Any, value: Any, where: str, file: Path) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where or "the file", "an object", value, file)
    hints = _hints(kind)
    arguments: dict[str, Any] = {}
    for name, item in value.items():
        key = f"{where}.{name}" if where else name
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            raise ConfigError(
                f"unknown key {key}",
                file=file,
                remedy=f"did you mean {near[0]}?" if near else f"known: {', '.join(hints)}",
            )
        arguments[name] = _read(hints[name], item, key, file)
    for spec in dataclasses.fields(kind):
        if (
            spec.name not in arguments
            and spec.default is dataclasses.MISSING
            and spec.default_factory is dataclasses.MISSING
        ):
            key = f"{where}.{spec.name}" if where else spec.name
            raise ConfigError(f"{key} is missing", file=file, remedy=f"add {key}")
    return kind(**arguments)


def _wrong(where: str, expected: str, value: Any, file: Path) -> ConfigError:
    # The type and not the value is shown: a misplaced value may be a secret.
    return ConfigError(
        f"{where} must be {expected}, found {type(value).__name__}", file=file, remedy=f"correct {where}"
    )
