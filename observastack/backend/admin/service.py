"""The parts of administration, put together."""

from __future__ import annotations

from dataclasses import dataclass

from observastack.backend.admin.settings import SettingsAdministration
from observastack.backend.admin.tenants import TenantAdministration
from observastack.backend.admin.users import UserAdministration


@dataclass(frozen=True)
class Administration:
    tenants: TenantAdministration
    users: UserAdministration
    settings: SettingsAdministration
