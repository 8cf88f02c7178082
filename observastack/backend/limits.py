"""Rate limits in Redis: requests a minute per tenant, log-ins a minute per user name.

A limiter that cannot be asked lets through, and counts that it did: a limit protects the platform from a busy tenant,
and turning everybody away would do more harm than what it protects from. (The deny-list decides the other way round:
not knowing whether a session has ended must let nobody in.)
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request
from redis.asyncio import Redis
from redis.exceptions import RedisError

from observastack import defects
from observastack.backend.errors import ApiError
from observastack.backend.telemetry import Telemetry

if TYPE_CHECKING:
    from observastack.backend.services import Services
    from observastack.backend.tenants import Home

log = logging.getLogger("observastack.backend")

WINDOW_S = 60
_COUNT = """
local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]); left = tonumber(ARGV[1]) end
return {used, left}
"""
"""One step on the server: an INCR whose PEXPIRE got lost would lock a tenant out for ever."""


@dataclass(frozen=True)
class Use:
    """A window's state after this request. reset_s: seconds until the window ends, at least 1."""

    limit: int
    used: int
    reset_s: int

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class Limiter:
    """Fixed windows that begin with their first request."""

    def __init__(self, client: Redis, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._count = client.register_script(_COUNT)

    async def take(self, what: str, limit: int) -> Use | None:
        """Count one use. None when there is no limit, or Redis does not answer."""
        if limit <= 0:
            return None
        try:
            used, left_ms = await self._count(keys=[f"observastack:limit:{what}"], args=[WINDOW_S * 1000])
        except RedisError as error:
            log.warning("limits: %s", error)
            self._telemetry.limiter_failures += 1
            return None
        return Use(limit, int(used), max(1, -(-int(left_ms) // 1000)))


async def admit(request: Request, platform: Services, tenant: Home | None) -> None:
    """Count a request of the tenant. Raises ApiError 429. A platform admin belongs to no tenant and has no limit."""
    if tenant is None:
        return
    whose = "all" if defects.active("rate_limit_off_by_tenant") else f"tenant:{tenant.number}"
    _enforce(request, await platform.limiter.take(whose, limit_of(platform, tenant)), "requests")


def limit_of(platform: Services, tenant: Home | None) -> int:
    """Requests a minute: the tenant's own setting, else the configuration's; 0 is no limit."""
    own = None if tenant is None else tenant.settings.get("requests_per_minute")
    return platform.config.limits.requests_per_minute if own is None else int(own)


async def admit_login(request: Request, platform: Services, username: str) -> None:
    """Count a log-in under that name, whether or not it exists. Raises ApiError 429."""
    name = hashlib.sha256(username.encode(errors="surrogatepass")).hexdigest()[:32]
    use = await platform.limiter.take(f"login:{name}", platform.config.limits.login_per_minute)
    _enforce(request, use, "log-ins")


def _enforce(request: Request, use: Use | None, what: str) -> None:
    if use is None:
        return
    request.scope["observastack.headers"] = use.headers()
    if not use.exceeded or defects.active("limit_ignored"):
        return
    headers = {} if defects.active("rate_limit_no_retry_after") else {"Retry-After": str(use.reset_s)}
    raise ApiError(429, f"too many {what}: {use.limit} a minute are allowed", headers=headers)
