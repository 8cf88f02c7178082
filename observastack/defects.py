"""Known defects that can be switched on, so that the detection rate of the tests can itself be measured.

Off by default, refused in production. `configure` once at start-up, `active` where the defect lives.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observastack.config import Config


@dataclass(frozen=True)
class Defect:
    """One switch: what the platform does wrong while it is on, and the suite that ought to find that."""

    name: str
    what: str
    found_by: str


REGISTRY: dict[str, Defect] = {
    defect.name: defect
    for defect in (
        Defect("drop_acked_1pct", "about 1 % of the acknowledged items are not stored", "data"),
        Defect("dup_on_retry", "idempotency keys are ignored, a retried write is stored twice", "data"),
        Defect("ack_noop", "writes are acknowledged and nothing is stored", "data"),
        Defect("ack_when_down", "writes are acknowledged while their store is down", "chaos"),
        Defect("partial_fails_all", "one item that cannot be stored fails its whole request", "data"),
        Defect("partial_success_silent", "rejected items are not reported to their sender", "data"),
        Defect("drop_spans_late", "spans that arrive more than a minute late are acknowledged, not stored", "data"),
        Defect("duplicate_samples", "every sample is stored twice", "data"),
        Defect("content_corrupt", "one attribute value of every log record is changed", "data"),
        Defect("severity_lost", "log records are stored without their severity", "data"),
        Defect("log_body_truncated", "log bodies are cut after 256 characters", "data"),
        Defect("unicode_mangled", "characters of log bodies outside ASCII become question marks", "data"),
        Defect("timestamp_rounded", "log records are stored with whole milliseconds", "data"),
        Defect("span_parent_lost", "spans are stored without their parent", "data"),
        Defect("span_events_lost", "spans are stored without their events", "data"),
        Defect("metric_value_as_int", "sample values lose their fraction", "data"),
        Defect("resource_attributes_lost", "of a resource only service.name is stored", "data"),
        Defect("tenant_header_trust", "X-Scope-OrgID decides in whose tenant a write is stored", "security"),
        Defect("ingest_no_auth_role", "a token of every role may write", "security"),
        Defect("suspended_tenant_writes", "a suspended tenant can go on writing", "security"),
        Defect("gzip_bomb_unbounded", "a compressed body is inflated to whatever size it has", "security"),
        Defect("ingest_oversize_accepted", "bodies beyond the limit are accepted", "security"),
        Defect("token_in_log", "the gateway logs the tokens that it refuses", "security"),
        Defect("malformed_500", "a malformed write is answered 500", "contract"),
        Defect("list_leak", "search and export answers are not restricted to the tenant", "load"),
        Defect("health_lies", "readiness says ready whatever the state of the dependencies", "chaos"),
        Defect("idempotency_key_ignored", "a repeated POST with the same Idempotency-Key is done again", "contract"),
        Defect(
            "proxy_tenant_header_passed",
            "the web server passes a client's tenant headers on to the backend",
            "security",
        ),
        Defect("web_security_headers_missing", "pages come without Content-Security-Policy and its kin", "security"),
        Defect("spa_cache_leak", "browsers may store API answers and show them to the next user", "e2e"),
        Defect("alert_never_fires", "the alert webhook is answered as if its alerts were stored; they are not", "e2e"),
        Defect("alert_refire_ignored", "a resolved alert that fires again stays resolved", "e2e"),
        Defect("alert_resolve_lost", "the source's message that an alert has ended changes nothing", "e2e"),
        Defect("alert_ack_resolved_ok", "acknowledging a resolved alert is accepted", "contract"),
        Defect("alert_duplicate_fingerprint", "every delivery of an alert makes a new alert", "e2e"),
        Defect("alert_refire_keeps_assignee", "an alert that fires again still has its old assignee", "e2e"),
        Defect("alert_ack_noop", "acknowledging an alert is answered with success and not stored", "e2e"),
        Defect(
            "assign_unchecked", "an alert can be assigned to users of other tenants and to nobody's name", "security"
        ),
        Defect("no_rbac_alerts", "whoever may read alerts may also act on them", "security"),
        Defect("alert_list_leak", "the list of alerts shows those of every tenant", "security"),
        Defect("alert_audit_missing", "what people do with alerts is not in the audit log", "security"),
        Defect("history_lost", "an alert's history stays empty", "e2e"),
        Defect("silence_without_tenant", "a silence also holds for the alerts of other tenants", "security"),
        Defect("silence_never_ends", "alerts stay silenced after the end of the silence", "e2e"),
        Defect(
            "silence_regex_unanchored", "a regular expression of a silence need not fit the whole value", "contract"
        ),
        Defect("webhook_no_auth", "the alert webhook takes alerts without a token", "security"),
        Defect(
            "bulk_all_or_nothing_lies", "an action on many alerts reports success for those that failed", "contract"
        ),
        Defect("stream_leak", "the live stream shows what arrives at other tenants", "security"),
        Defect("stream_no_expiry", "a live stream goes on after its token has expired", "security"),
        Defect("stream_denylist_ignored", "a live stream goes on after its session was ended", "security"),
        Defect("stream_resume_gap", "a live stream that resumes skips what arrived while it was away", "e2e"),
        Defect("stream_resume_repeats", "a live stream that resumes repeats what was shown before", "e2e"),
        Defect("stream_alerts_lost", "the live stream never shows alerts", "e2e"),
        Defect("stream_filter_ignored", "the filters of a live stream are ignored", "e2e"),
        Defect("stream_drops_untold", "a live stream does not say how much a slow client has missed", "contract"),
        Defect("promql_unparsed", "PromQL reaches the store as it was sent, without the tenant's matcher", "security"),
        Defect("promql_second_selector_unscoped", "only a PromQL query's first selector is restricted", "security"),
        Defect("label_values_leak", "label names and values come from all tenants' series", "security"),
        Defect("logql_unescaped", "texts of a search become part of the log store's query as they are", "security"),
        Defect("trace_unfiltered", "a trace by id shows the spans of all tenants", "security"),
        Defect("foreign_403", "another tenant's trace is 403 instead of 404", "contract"),
        Defect("partial_hidden", "a source that failed is reported as ok, and the page as whole", "chaos"),
        Defect("cursor_skips", "each page but the first begins one item late", "data"),
        Defect("export_truncated", "an export ends early and says that it is complete", "data"),
        Defect("blocking_io", "waiting for a source stops everything else in the process", "chaos"),
        Defect("wrong_rate", "rate() and increase() are a tenth too high", "data"),
        Defect("nanoseconds_truncated", "times of items are cut to microseconds", "data"),
        Defect("slow_search", "every search takes at least 6 s more", "load"),
        Defect("token_no_exp", "an access token is good for ever", "security"),
        Defect("nbf_unchecked", "an access token is good before its time", "security"),
        Defect("aud_unchecked", "a token for another audience is accepted", "security"),
        Defect("iss_unchecked", "a token of another issuer is accepted if its key fits", "security"),
        Defect("alg_confusion", "a token signed HS256 with the public key as its secret is accepted", "security"),
        Defect("alg_none", "a token without a signature is accepted", "security"),
        Defect("groups_unchecked", "a token whose groups name two tenants is accepted", "security"),
        Defect("jwks_never_refreshed", "keys that the identity provider has rotated to are never learnt", "e2e"),
        Defect("denylist_fail_open", "while Redis is away, ended sessions are good again", "chaos"),
        Defect("logout_noop", "a logout is acknowledged, and the session goes on", "e2e"),
        Defect("logout_keeps_refresh", "after a logout, its refresh token still gets new tokens", "security"),
        Defect("refresh_reuse", "a refresh token can be used again and again", "security"),
        Defect("reuse_keeps_family", "a second use of a refresh token is refused, but ends no session", "security"),
        Defect("refresh_never_expires", "a refresh token is good for ever", "security"),
        Defect("refresh_when_disabled", "a user disabled since the login goes on refreshing", "security"),
        Defect("disabled_user_logs_in", "a disabled user can log in", "security"),
        Defect("two_tenants_first_wins", "a user of two tenants is let into the first", "security"),
        Defect("login_enumerates", "an unknown user name is answered differently from a wrong password", "security"),
        Defect("password_case_insensitive", "a password with upper and lower case swapped is accepted", "security"),
        Defect("no_rbac_admin", "every role may administer the own tenant", "security"),
        Defect("tenant_admin_sees_all", "a tenant_admin administers every tenant", "security"),
        Defect("suspended_tenant_reads", "a suspended tenant's tokens go on working", "security"),
        Defect("user_disable_noop", "deactivating a user changes nothing, though the answer says so", "e2e"),
        Defect("role_change_ignored", "new roles of a user are acknowledged but not stored", "e2e"),
        Defect("audit_skipped", "nothing is written to the audit log", "security"),
        Defect("refusals_unaudited", "refused administrative acts are not recorded", "security"),
        Defect("admin_unaudited", "what a platform admin reads across tenants is not recorded", "security"),
        Defect("limit_ignored", "requests beyond the rate limit are answered", "security"),
        Defect("rate_limit_off_by_tenant", "one tenant's requests use up the limit of all", "security"),
        Defect("rate_limit_no_retry_after", "429 comes without Retry-After", "contract"),
        Defect("cache_key_without_tenant", "cached answers are given to whichever tenant asks the same", "security"),
        Defect("history_leak", "the search history shows the searches of all users of the tenant", "security"),
        Defect("correlate_leak", "correlation answers with another tenant's items", "security"),
        Defect("aggregate_leak", "counts over time are another tenant's", "security"),
        Defect("stream_ends_silently", "a streamed search that fails ends without an error event", "e2e"),
        Defect("insights_wrong_total", "the total of costs is a tenth more than the sum of its parts", "contract"),
        Defect("viewer_can_export", "every reader of insights may export them", "security"),
        Defect("error_leak", "error messages name exceptions and what they say", "security"),
        Defect("cors_star", "scripts of every origin may read the API's answers", "security"),
        Defect("schema_drift", "the number of matched items of a search is a text", "contract"),
        Defect("request_id_missing", "answers carry no X-Request-ID", "contract"),
    )
}

_active: frozenset[str] = frozenset()


def check(names: Iterable[str], environment: str) -> None:
    """Raises ValueError for an unknown name, and for any name in production."""
    for name in (names := tuple(names)):
        if name not in REGISTRY:
            near = difflib.get_close_matches(name, REGISTRY, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(REGISTRY)}"
            raise ValueError(f"unknown defect {name!r}; {hint}")
    if names and is_production(environment):
        raise ValueError(f"defects ({', '.join(names)}) are refused in production")


def is_production(environment: str) -> bool:
    """However it is written: a capital letter must not be what lets defects and test data in."""
    return environment.strip().casefold() in ("production", "prod")


def configure(config: Config) -> None:
    """Switch on exactly the defects of the configuration."""
    global _active  # noqa: PLW0603 - one switchboard per process, set once at start-up
    check(config.defects, config.environment)
    _active = frozenset(config.defects)


def active(name: str) -> bool:
    """Whether the defect is on. Raises KeyError for a name that is not in the registry: a typo must not mean off."""
    return REGISTRY[name].name in _active


def table() -> str:
    """The page of the manual that lists all switches."""
    rows = [f"| `{one.name}` | {one.what} | {one.found_by} |" for one in REGISTRY.values()]
    return "\n".join(
        [
            _PAGE.format(count=len(rows)),
            "| switch | while it is on | suite that ought to find it |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


_PAGE = """# Defects on demand

The reference platform has {count} known defects, each at the turn of a switch, so that the detection rate of the tests can
itself be measured: whoever switches one on knows what must be found. All are off by default and refused in production.

```
testbed up --set defects=list_leak,dup_on_retry
OBSERVASTACK_DEFECTS=no_rbac_alerts testbed up
```

Backend, ingest gateway and web server are restarted with the switches; `testbed status` and every report name them. Each is
one line of code at the place where the real mistake would be made. This page is written by `python -m observastack.defects`.
"""


if __name__ == "__main__":
    print(table(), end="")
