"""The realm's clients, and the mappers that put the platform's claims into their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FRONTEND = "observastack-frontend"
BACKEND = "observastack-backend"
TEST = "observastack-test"

_EVERYWHERE = {
    "id.token.claim": "true",
    "access.token.claim": "true",
    "userinfo.token.claim": "true",
    "introspection.token.claim": "true",
}


@dataclass(frozen=True)
class Origins:
    """Where the frontend is served, as `scheme://host:port`: the only places the identity provider sends a code to."""

    web: tuple[str, ...]

    @property
    def redirects(self) -> list[str]:
        """Exact URIs: a pattern would let a code go to any page that an attacker can open below it."""
        return [f"{origin}/auth/callback" for origin in self.web]

    @property
    def after_logout(self) -> str:
        return "##".join(f"{origin}/login" for origin in self.web)


def clients(origins: Origins, test_secret: str) -> list[dict[str, Any]]:
    """The frontend (public, PKCE), the backend (an audience), the test runner (a service account).

    The mappers stand on each client and not in a realm-level `clientScopes` list: a realm file with that key gets none
    of the built-in scopes (basic, profile, email), and so no `sub` in its tokens.
    """
    return [_frontend(origins), _backend(), _test(test_secret)]


def _frontend(origins: Origins) -> dict[str, Any]:
    return {
        "clientId": FRONTEND,
        "name": "ObservaStack",
        "enabled": True,
        "publicClient": True,
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "redirectUris": origins.redirects,
        "webOrigins": list(origins.web),
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": origins.after_logout,
        },
        "protocolMappers": _mappers(),
        "defaultClientScopes": ["basic", "profile", "email"],
        "optionalClientScopes": [],
    }


def _backend() -> dict[str, Any]:
    """Nobody signs in with it: it is only the audience that the backend and the gateway insist on."""
    return {
        "clientId": BACKEND,
        "name": "ObservaStack API",
        "enabled": True,
        "bearerOnly": True,
        "publicClient": False,
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
    }


def _test(secret: str) -> dict[str, Any]:
    return {
        "clientId": TEST,
        "name": "ObservaStack test runner",
        "enabled": True,
        "publicClient": False,
        "clientAuthenticatorType": "client-secret",
        "secret": secret,
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        # Only tests use a password without the login page; whoever does must know the client's secret too.
        "directAccessGrantsEnabled": True,
        "serviceAccountsEnabled": True,
        "protocolMappers": _mappers(),
        "defaultClientScopes": ["basic", "profile", "email"],
        "optionalClientScopes": [],
    }


def _mappers() -> list[dict[str, Any]]:
    return [
        # From the group's attribute; not multivalued and typed as String, so the token has one plain string.
        _mapper(
            "tenant-id",
            "oidc-usermodel-attribute-mapper",
            {
                "user.attribute": "tenant_id",
                "claim.name": "tenant_id",
                "jsonType.label": "String",
                "multivalued": "false",
                "aggregate.attrs": "false",
                **_EVERYWHERE,
            },
        ),
        _mapper(
            "roles",
            "oidc-usermodel-realm-role-mapper",
            {"claim.name": "roles", "jsonType.label": "String", "multivalued": "true", **_EVERYWHERE},
        ),
        # Full paths: a user in two tenants silently gets one tenant_id, and only the groups tell.
        _mapper(
            "groups",
            "oidc-group-membership-mapper",
            {"claim.name": "groups", "full.path": "true", **_EVERYWHERE},
        ),
        _mapper(
            "audience",
            "oidc-audience-mapper",
            {
                "included.client.audience": BACKEND,
                "id.token.claim": "false",
                "access.token.claim": "true",
                "introspection.token.claim": "true",
            },
        ),
    ]


def _mapper(name: str, kind: str, config: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}
