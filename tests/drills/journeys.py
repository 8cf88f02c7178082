"""Ten defects, drawn by the commit's hash, are switched on one by one: the journeys must fail, and the right ones.

Which journeys ought to find a defect stands here and nowhere else: a journey knows no switch.
"""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

from observastack.defects import REGISTRY
from tests.drills.framework import Drill, Result, commit, finally_do
from tests.drills.testbed import Testbed

DRAWN = 10

FINDS: dict[str, tuple[str, ...]] = {
    "aggregate_leak": ("search.counts-agree", "isolation.counts-*"),
    "alert_ack_noop": ("alerts.can-be-worked-on", "alerts.*"),
    "alert_duplicate_fingerprint": ("alerts.fire-and-are-listed", "alerts.*"),
    "alert_list_leak": ("isolation.alert-of-another-is-missing", "alerts.*"),
    "alert_never_fires": ("alerts.fire-and-are-listed", "alerts.*", "isolation.alert-*", "roles.viewer-leaves-*"),
    "alert_refire_ignored": ("alerts.end-and-come-back",),
    "alert_refire_keeps_assignee": ("alerts.end-and-come-back",),
    "alert_resolve_lost": ("alerts.end-and-come-back",),
    "alg_confusion": ("login.needs-a-token",),
    "alg_none": ("login.needs-a-token",),
    "audit_skipped": ("admin.acts-are-logged",),
    "correlate_leak": ("isolation.trace-of-another-is-missing", "traces.correlate-*"),
    "cors_star": ("platform.strangers-origins-get-nothing",),
    "disabled_user_logs_in": ("login.refuses-who-may-not", "admin.user-comes-and-goes"),
    "error_leak": ("platform.errors-have-one-form",),
    "history_leak": ("search.history-is-ones-own",),
    "history_lost": ("alerts.can-be-worked-on",),
    "ingest_no_auth_role": ("roles.viewer-only-reads",),
    "label_values_leak": ("metrics.labels-are-listed",),
    "login_enumerates": ("login.refuses-a-wrong-password",),
    "logout_keeps_refresh": ("login.logout-ends-the-session", "login.refresh-rotates"),
    "logout_noop": ("login.logout-ends-the-session",),
    "no_rbac_admin": ("roles.viewer-only-reads", "roles.*", "admin.*"),
    "no_rbac_alerts": ("roles.viewer-leaves-alerts-alone",),
    "password_case_insensitive": ("login.refuses-a-wrong-password",),
    "refresh_reuse": ("login.refresh-rotates",),
    "refusals_unaudited": ("admin.acts-are-logged",),
    "reuse_keeps_family": ("login.refresh-rotates",),
    "role_change_ignored": ("admin.user-comes-and-goes",),
    "silence_without_tenant": ("alerts.are-silenced-alone",),
    "stream_leak": ("live.shows-ones-own",),
    "stream_resume_gap": ("live.resumes-without-a-gap", "live.resumes-*"),
    "stream_resume_repeats": ("live.resumes-within-a-write", "live.resumes-*"),
    "tenant_admin_sees_all": ("roles.tenant-admin-stays-inside", "admin.*"),
    "tenant_header_trust": ("isolation.writing-keeps-the-tenant",),
    "trace_unfiltered": ("isolation.trace-of-another-is-missing", "isolation.shared-*"),
    "user_disable_noop": ("admin.user-comes-and-goes",),
    "webhook_no_auth": ("alerts.need-their-tenants-token",),
}
"""Defect -> patterns of the journeys that its failure must stay within, the first of which must be among the failed."""


def keys(rounds: int) -> list[str]:
    """The draw of this commit; one sample more for each further round. At the end none: all must pass."""
    rng = random.Random(commit().rstrip("+"))
    drawn = rng.sample(sorted(FINDS), min(DRAWN * rounds, len(FINDS)))
    return [*(f"{name}/1" for name in drawn), "none/1"]


@contextmanager
def bench() -> Iterator[Journeys]:
    opened = Journeys(Testbed())
    with finally_do(opened.testbed.close):
        yield opened


class Journeys:
    """One environment, whose platform is restarted with other switches."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed

    def trial(self, key: str, _: random.Random) -> Result:
        defect = key.partition("/")[0]
        self.testbed.ready("--set", f"defects={'' if defect == 'none' else defect}")
        done = self.testbed.command("--json", "e2e", "run", "--kind", "api", timeout=300)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        failed = [
            event["id"]
            for event in events
            if event["type"] == "test.finished" and event["outcome"] in ("failed", "invalid")
        ]
        result = Result(figures={"exit": done.returncode, "failed": failed})
        if defect == "none":
            if failed or done.returncode:
                result.wrong.append(f"exit {done.returncode} without a defect: {failed or done.stderr[-300:]}")
            return result
        expected = FINDS[defect]
        if done.returncode != 1:
            result.wrong.append(f"exit {done.returncode}, not 1: '{REGISTRY[defect].what}' was not found")
        if not any(fnmatch.fnmatchcase(name, expected[0]) for name in failed):
            result.wrong.append(f"{expected[0]} did not fail")
        if strange := [name for name in failed if not any(fnmatch.fnmatchcase(name, one) for one in expected)]:
            result.wrong.append(f"failed too: {', '.join(strange)}")
        return result


DRILL = Drill("journeys", "ten defects drawn by the commit's hash are found by the right journeys", 1, keys, bench)
