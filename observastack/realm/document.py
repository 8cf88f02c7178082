"""The realm file (Keycloak's RealmRepresentation) for a set of identities."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from observastack.realm.clients import TEST, Origins, clients
from observastack.store.identities import ROLES, Identities, User

REALM = "observastack"
GROUP = "tenants"
SERVICE_ROLES = ("agent", "viewer")


@dataclass(frozen=True)
class Lifetimes:
    """Seconds. access: an access token; idle, longest: a session without and with use."""

    access: int = 300
    idle: int = 1800
    longest: int = 36000


def realm(
    identities: Identities, *, origins: Origins, test_secret: str, lifetimes: Lifetimes | None = None
) -> dict[str, Any]:
    """Contains the users' passwords and the test client's secret: the file is as secret as the identities file."""
    spans = lifetimes or Lifetimes()
    return {
        "realm": REALM,
        "displayName": "ObservaStack",
        "enabled": True,
        "sslRequired": "external",  # plain HTTP from this machine and private networks only
        "registrationAllowed": False,
        "resetPasswordAllowed": False,
        "loginWithEmailAllowed": True,
        "duplicateEmailsAllowed": False,
        "editUsernameAllowed": False,
        "rememberMe": False,
        "defaultSignatureAlgorithm": "RS256",
        "accessTokenLifespan": spans.access,
        "ssoSessionIdleTimeout": spans.idle,
        "ssoSessionMaxLifespan": spans.longest,
        # A refresh token is good once, as the local issuer's is.
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "passwordPolicy": "length(12) and notUsername",
        **_brute_force(),
        "roles": {"realm": [{"name": role, "description": f"ObservaStack role {role}"} for role in sorted(ROLES)]},
        "groups": [
            {
                "name": GROUP,
                "subGroups": [
                    {"name": tenant.key, "attributes": {"tenant_id": [tenant.key], "display_name": [tenant.name]}}
                    for tenant in identities.tenants
                ],
            }
        ],
        "clients": clients(origins, test_secret),
        "users": [*map(_user, identities.users), _service_account(identities)],
        "components": {
            "org.keycloak.userprofile.UserProfileProvider": [
                {
                    "providerId": "declarative-user-profile",
                    "config": {"kc.user.profile.config": [json.dumps(_user_profile())]},
                }
            ]
        },
    }


def _brute_force() -> dict[str, Any]:
    """Ten wrong passwords lock an account for a minute, then longer. Two of them within a second do not: tests do that."""
    return {
        "bruteForceProtected": True,
        "permanentLockout": False,
        "failureFactor": 10,
        "waitIncrementSeconds": 60,
        "maxFailureWaitSeconds": 900,
        "maxDeltaTimeSeconds": 43200,
        "quickLoginCheckMilliSeconds": 0,
        "minimumQuickLoginWaitSeconds": 0,
    }


def _user(user: User) -> dict[str, Any]:
    first, _, last = user.username.partition("-")
    return {
        "username": user.username,
        "enabled": user.enabled,
        "email": user.email,
        "emailVerified": True,
        # Without names an account is "not fully set up" under Keycloak's own user profile.
        "firstName": first.title(),
        "lastName": last.replace("-", " ").title() or first.title(),
        "requiredActions": [],
        "credentials": [{"type": "password", "value": user.password, "temporary": False}],
        "realmRoles": list(user.roles),
        "groups": [f"/{GROUP}/{tenant}" for tenant in user.tenants],
    }


def _service_account(identities: Identities) -> dict[str, Any]:
    """The test client acting for itself: it writes and reads telemetry of the first tenant, and no more."""
    return {
        "username": f"service-account-{TEST}",
        "enabled": True,
        "serviceAccountClientId": TEST,
        "realmRoles": list(SERVICE_ROLES),
        "groups": [f"/{GROUP}/{tenant.key}" for tenant in identities.tenants[:1]],
    }


def _user_profile() -> dict[str, Any]:
    """Attributes that exist at all. tenant_id is none of them: it belongs to a group, and no user can have one of
    their own, which would override the group's in the token."""

    def attribute(name: str, *, own: bool = False, **more: Any) -> dict[str, Any]:
        edit = ["admin", "user"] if own else ["admin"]
        return {"name": name, "permissions": {"view": ["admin", "user"], "edit": edit}, **more}

    return {
        "attributes": [
            attribute("username", validations={"length": {"min": 2, "max": 64}}),
            attribute("email", validations={"email": {}}),
            attribute("firstName", own=True),
            attribute("lastName", own=True),
        ],
        "groups": [],
    }
