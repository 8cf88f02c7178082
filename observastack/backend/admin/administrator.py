"""Who administers, and over what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from observastack.backend.audit import Entry
from observastack.backend.database import EVERY_TENANT
from observastack.backend.errors import not_found

if TYPE_CHECKING:
    from observastack.backend.auth.principal import Principal


@dataclass(frozen=True)
class Administrator:
    """Someone who may administer. tenant: the one that it is confined to; None for the whole platform."""

    principal: Principal
    tenant: str | None

    @property
    def username(self) -> str:
        return self.principal.claims.username

    @property
    def scope(self) -> str:
        """What row-level security lets its transactions see."""
        return self.tenant or EVERY_TENANT

    def reaches(self, tenant: str | None) -> bool:
        return self.tenant is None or tenant == self.tenant

    def confine(self, tenant: str | None) -> str | None:
        """The tenant that a list is of: the own one, whichever was asked for. Raises ApiError 404 for a foreign one."""
        if self.tenant is not None and tenant not in (None, self.tenant):
            raise not_found()
        return self.tenant or tenant

    def entry(self, action: str, resource: str, tenant: str | None, **detail: object) -> Entry:
        return Entry(action, self.username, True, tenant, resource, detail or None)
