"""Which headers go through, which are set: the rules of a proxy in one place (RFC 9110, 7.6.1; Content Security Policy 3)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from observastack import defects
from observastack.config import Config

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade")
)  # fmt: skip
# The tenant comes from the verified token alone: whoever sends one of these wants somebody else's data.
TENANT = frozenset((b"x-scope-orgid", b"x-tenant-id", b"x-tenant", b"x-org-id", b"x-grafana-org-id", b"thanos-tenant"))
# Only this server knows who is connected to it.
FORWARDED = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-prefix",
     b"x-real-ip", b"x-original-url", b"x-rewrite-url")
)  # fmt: skip


def to_backend(headers: Iterable[tuple[bytes, bytes]], client: str, request_id: str) -> Headers:
    """A request's headers as the backend gets them."""
    sent = list(headers)
    refused = HOP_BY_HOP | FORWARDED | _named_by_connection(sent) | {b"host", b"x-request-id"}
    if not defects.active("proxy_tenant_header_passed"):
        refused |= TENANT
    host = next((value for name, value in sent if name.lower() == b"host"), b"")
    return [(name, value) for name, value in sent if name.lower() not in refused] + [
        (b"x-request-id", request_id.encode()), (b"x-forwarded-for", client.encode()), (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", host),
    ]  # fmt: skip


def from_backend(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """An answer's headers as the client gets them. Whatever the backend says nothing about must not be stored by anyone:
    a browser's cache does not know that the next user has another token."""
    answered = list(headers)
    refused = HOP_BY_HOP | _named_by_connection(answered) | {b"server", b"date"}
    kept = [(name.lower(), value) for name, value in answered if name.lower() not in refused]
    names = {name for name, _ in kept}
    if b"cache-control" not in names:
        kept.append((b"cache-control", b"public, max-age=300" if defects.active("spa_cache_leak") else b"no-store"))
    return kept + [item for item in _API_SECURITY if item[0] not in names]


def page_security(config: Config, endpoints: Iterable[str] = ()) -> Headers:
    """For what the server itself answers: nothing is loaded, run, framed or asked but what comes from here.

    In oidc mode the browser talks to the issuer as well, and to its endpoints (URLs), which may lie elsewhere.
    """
    if defects.active("web_security_headers_missing"):
        return []
    urls = [config.auth.issuer, *endpoints] if config.auth.method == "oidc" else []
    elsewhere = "".join(f" {origin}" for origin in dict.fromkeys(origin_of(url) for url in urls))
    policy = {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "font-src": "'self'",
        "connect-src": f"'self'{elsewhere}", "manifest-src": "'self'", "worker-src": "'self'", "base-uri": "'none'",
        "form-action": f"'self'{elsewhere}", "frame-ancestors": "'none'", "object-src": "'none'",
    }  # fmt: skip
    return [
        (b"content-security-policy", "; ".join(f"{name} {value}" for name, value in policy.items()).encode()),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        (b"cross-origin-opener-policy", b"same-origin"),
        *_SECURITY,
    ]


def origin_of(url: str) -> str:
    """Scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


_SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_API_SECURITY: Headers = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    *_SECURITY,
]


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Connection names further headers that end here."""
    values = b",".join(value for name, value in headers if name.lower() == b"connection")
    return frozenset(part.strip().lower() for part in values.split(b",") if part.strip())
