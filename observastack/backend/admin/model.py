"""Requests and answers of administration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from observastack.backend.auth.roles import PERMISSIONS

# Printable, without control characters: names are shown and logged.
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
TenantKey = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Username = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
Email = Annotated[
    str,
    StringConstraints(strict=True, max_length=254, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"),
]
Color = Annotated[str, StringConstraints(strict=True, pattern=r"^#[0-9a-f]{6}$")]
Days = Annotated[int, Field(strict=True, ge=1, le=3650)]
RoleName = Literal["viewer", "editor", "analyst", "tenant_admin", "agent", "admin"]
Roles = Annotated[list[RoleName], Field(min_length=1, max_length=len(PERMISSIONS))]
TenantStatus = Literal["active", "suspended"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TenantCreate(Strict):
    id: TenantKey
    name: Name
    color: Color | None = None
    retention_days: Days | None = None


class TenantUpdate(Strict):
    """What is not sent stays as it is."""

    name: Name | None = None
    status: TenantStatus | None = None
    color: Color | None = None
    retention_days: Days | None = None


class TenantStats(BaseModel):
    """Stored items. null: could not be counted within the time allowed. bytes_per_day: size of the last day's items as
    estimated from the newest ones. last_write: time of the newest item."""

    logs: int | None
    spans: int | None
    series: int | None
    bytes_per_day: int | None
    last_write: str | None


class Tenant(TenantStats):
    id: str
    name: str
    status: TenantStatus
    color: str | None
    retention_days: int | None
    users: int
    disabled_users: int
    created_at: str


class TenantList(BaseModel):
    items: list[Tenant]
    next_cursor: str | None


class UserCreate(Strict):
    """tenant_id: by a platform admin only; required unless the role is admin."""

    username: Username
    email: Email
    name: Name | None = None
    roles: Roles
    tenant_id: TenantKey | None = None


class UserUpdate(Strict):
    email: Email | None = None
    name: Name | None = None


class UserRoles(Strict):
    roles: Roles


class User(BaseModel):
    id: str
    username: str
    name: str
    email: str
    tenant_id: str | None
    roles: list[str]
    enabled: bool
    method: str
    last_seen: str | None
    created_at: str


class UserList(BaseModel):
    items: list[User]
    next_cursor: str | None
    total: int


class UserCreated(BaseModel):
    """temporary_password: shown this once; null in the answer to a repeated Idempotency-Key."""

    user: User
    temporary_password: str | None


class Role(BaseModel):
    role: str
    permissions: list[str]
    description: str


class RoleList(BaseModel):
    items: list[Role]


class AuditEntry(BaseModel):
    id: str
    ts: str
    user: str | None
    tenant: str | None
    action: str
    resource: str | None
    success: bool
    ip: str | None
    request_id: str | None
    detail: dict[str, Any] | None


class AuditLog(BaseModel):
    items: list[AuditEntry]
    next_cursor: str | None


class SettingsUpdate(Strict):
    """What is not sent stays as it is; null takes a value back, so that the platform's applies."""

    retention_days: Days | None = None
    requests_per_minute: Annotated[int, Field(strict=True, ge=0, le=10_000_000)] | None = None
    anomaly_sigma: Annotated[float, Field(ge=1, le=20)] | None = None


class Settings(BaseModel):
    """What applies. requests_per_minute: 0 is no limit."""

    retention_days: int | None
    requests_per_minute: int
    anomaly_sigma: float
    updated_at: str | None
    updated_by: str | None


class DependencyHealth(BaseModel):
    name: str
    ready: bool
    latency_ms: float
    reason: str | None


class SourceHealth(BaseModel):
    adapter: str
    status: Literal["ok", "error", "timeout"]
    latency_ms: float


class PlatformHealth(BaseModel):
    version: str
    defects: list[str]
    dependencies: list[DependencyHealth]
    sources: dict[str, SourceHealth]
    uptime_s: float
