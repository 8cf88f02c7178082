"""What a person does with the pages, found by test ids and never by the looks."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from runners.e2e.journey import Absent, browser_journey, check, equal
from runners.e2e.journeys.alerts import fired
from runners.e2e.journeys.search import written_logs
from runners.e2e.journeys.traces import written_trace
from runners.e2e.scene import Scene
from runners.e2e.telemetry import Log
from runners.target import Identity

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SETTLE_S = 10.0


def sign_in(page: Page, who: Identity, path: str = "/search") -> None:
    """By the form of the pages, or of the identity provider that they lead to."""
    page.goto(path)
    provider = page.get_by_test_id("login-oidc")
    form = page.get_by_test_id("login-username")
    form.or_(provider).first.wait_for()
    if provider.is_visible():
        provider.click()
        page.locator("#username").fill(who.username)
        page.locator("#password").fill(who.password)
        page.locator("#kc-login").click()
    else:
        form.fill(who.username)
        page.get_by_test_id("login-password").fill(who.password)
        page.get_by_test_id("login-submit").click()
    page.get_by_test_id("tenant-indicator").or_(page.get_by_test_id("nav-admin")).first.wait_for()


def _sign_out(page: Page) -> None:
    page.get_by_test_id("user-menu").first.click()
    page.get_by_test_id("logout").first.click()
    page.get_by_test_id("login-form").or_(page.get_by_test_id("login-oidc")).first.wait_for()


def _settles(rows: Locator, wanted: int, what: str) -> None:
    """Raises Broken unless there come to be so many: what was shown before a search is taken away only with its answer."""
    deadline = time.monotonic() + SETTLE_S
    while (found := rows.count()) != wanted:
        if time.monotonic() > deadline:
            equal(found, wanted, what)
        rows.page.wait_for_timeout(50)


def _look_for(page: Page, text: str) -> None:
    page.get_by_test_id("search-input").fill(text)
    page.get_by_test_id("search-run").click()


@browser_journey("pages.sign-in-shows-the-tenant", "auth.login")
def tenant_shown(scene: Scene, page: Page) -> None:
    """After signing in, the page says for which tenant one works."""
    sign_in(page, scene.who("viewer"))
    check(scene.tenant in page.get_by_test_id("tenant-indicator").inner_text(), "the page does not name the tenant")


@browser_journey("pages.wrong-password-is-told", "auth.login")
def wrong_password(scene: Scene, page: Page) -> None:
    """A wrong password is told in the form, and nothing is shown."""
    page.goto("/login")
    page.get_by_test_id("login-username").or_(page.get_by_test_id("login-oidc")).first.wait_for()
    if page.get_by_test_id("login-oidc").is_visible():
        raise Absent("the pages leave the sign-in to an identity provider")
    page.get_by_test_id("login-username").fill(scene.who("viewer").username)
    page.get_by_test_id("login-password").fill("certainly not")
    page.get_by_test_id("login-submit").click()
    page.get_by_test_id("login-error").wait_for()
    equal(page.get_by_test_id("tenant-indicator").count(), 0, "tenants shown after a refused sign-in")


@browser_journey("pages.search-finds-and-opens", "ingest.logs", "search.logs")
def search(scene: Scene, page: Page) -> None:
    """A search shows what was written; a row opens to its attributes."""
    logs = written_logs(scene, 8)
    sign_in(page, scene.who("viewer"))
    _look_for(page, scene.mark)
    rows = page.get_by_test_id("result-row")
    rows.filter(has_text=logs[3].body).first.wait_for()
    _settles(rows, len(logs), "the rows shown")
    rows.filter(has_text=logs[3].body).first.click()
    detail = page.get_by_test_id("result-detail")
    detail.wait_for()
    check("e2e.number" in detail.inner_text(), "the detail does not show the attributes")


@browser_journey("pages.search-keeps-tenants-apart", "ingest.logs", "search.logs")
def search_apart(scene: Scene, page: Page) -> None:
    """A stranger's search shows the stranger's own record and none of the others that the words match."""
    logs = written_logs(scene, 4)
    thief = scene.who("viewer", scene.stranger)
    scene.write_logs([Log(scene.moment(0), f"{scene.mark} of their own")], tenant=scene.stranger)
    scene.eventually(
        lambda: [one for one in scene.mine("search.logs", thief) if "of their own" in repr(one)],
        bool, "the stranger's own record was not found",
    )  # fmt: skip
    sign_in(page, thief)
    _look_for(page, scene.mark)
    rows = page.get_by_test_id("result-row")
    rows.filter(has_text=f"{scene.mark} of their own").first.wait_for()
    _settles(rows, 1, f"the rows that {scene.stranger} sees")
    check(logs[0].body not in page.inner_text("body"), f"{scene.stranger} sees a record of {scene.tenant}")


@browser_journey("pages.trace-is-drawn", "ingest.traces", "traces.get")
def trace(scene: Scene, page: Page) -> None:
    """A trace's page draws each span and shows what a chosen one says."""
    trace_id, spans = written_trace(scene)
    sign_in(page, scene.who("viewer"), f"/traces/{trace_id}")
    page.get_by_test_id("waterfall").wait_for()
    rows = page.get_by_test_id("span-row")
    _settles(rows, len(spans), "the spans drawn")
    rows.filter(has_text="charge").first.click()
    check(spans[1].span_id in page.get_by_test_id("span-detail").inner_text(), "the span's id is not shown")


@browser_journey("pages.trace-of-another-is-missing", "ingest.traces", "traces.get")
def foreign_trace(scene: Scene, page: Page) -> None:
    """Another tenant's trace is shown as one that does not exist."""
    trace_id, _ = written_trace(scene)
    sign_in(page, scene.who("viewer", scene.stranger), f"/traces/{trace_id}")
    page.get_by_text(re.compile("does not exist", re.IGNORECASE)).first.wait_for()
    equal(page.get_by_test_id("span-row").count(), 0, "the spans drawn")


@browser_journey("pages.logs-lead-to-their-trace", "ingest.logs", "ingest.traces", "search.logs", "traces.get")
def correlation(scene: Scene, page: Page) -> None:
    """From a log record one comes to its trace."""
    trace_id, spans = written_trace(scene)
    scene.write_logs(
        [Log(scene.moment(5), f"{scene.mark} failed to charge", 17, "ERROR", {}, trace_id, spans[1].span_id)]
    )
    scene.eventually(lambda: len(scene.mine("search.logs")), bool, "the log record was not found")
    sign_in(page, scene.who("viewer"))
    _look_for(page, f"{scene.mark} failed")
    page.get_by_test_id("result-row").filter(has_text="failed to charge").first.click()
    page.get_by_test_id("related-trace-open").first.click()
    page.get_by_test_id("waterfall").wait_for()
    check(trace_id in page.url, "the page of the trace is not that of the record")


@browser_journey("pages.live-tail-shows-new-records", "ingest.logs", "search.logs", "live.stream")
def live(scene: Scene, page: Page) -> None:
    """While the live tail runs, a new record appears by itself."""
    sign_in(page, scene.who("viewer"))
    page.get_by_test_id("live-toggle").click()
    page.get_by_test_id("live-status").filter(has_text=re.compile("live", re.IGNORECASE)).first.wait_for()
    scene.write_logs([Log(time.time_ns(), f"{scene.mark} appears")])
    page.get_by_test_id("result-row").filter(has_text=f"{scene.mark} appears").first.wait_for()


@browser_journey("pages.alert-is-acknowledged", "alerts.webhook", "alerts.list", "alerts.get", "alerts.acknowledge")
def acknowledge(scene: Scene, page: Page) -> None:
    """An editor acknowledges an alert in the pages, and the platform knows."""
    alert = fired(scene, "Paged")
    sign_in(page, scene.who("editor"), f"/alerts/{alert['id']}")
    page.get_by_test_id("alert-acknowledge").first.click()
    scene.eventually(
        lambda: scene.ok("alerts.get", scene.who("viewer"), alert_id=alert["id"]).json["status"],
        lambda status: status == "acknowledged", "the platform does not know of the acknowledgement",
    )  # fmt: skip


@browser_journey("pages.viewer-cannot-act-on-alerts", "alerts.webhook", "alerts.list")
def viewer(scene: Scene, page: Page) -> None:
    """A viewer sees an alert's buttons disabled, or not at all."""
    alert = fired(scene, "Watched")
    sign_in(page, scene.who("viewer"), f"/alerts/{alert['id']}")
    page.get_by_text("Watched").first.wait_for()
    button = page.get_by_test_id("alert-acknowledge")
    check(button.count() == 0 or button.first.is_disabled(), "a viewer can press Acknowledge")


@browser_journey("pages.navigation-follows-the-role", "auth.login")
def navigation(scene: Scene, page: Page) -> None:
    """A viewer is offered no administration, and does not get it by its address either; a tenant's admin is."""
    sign_in(page, scene.who("viewer"))
    equal(page.get_by_test_id("nav-admin").count(), 0, "administration offered to a viewer")
    page.goto("/admin/users")
    page.get_by_test_id("forbidden").wait_for()
    equal(page.get_by_test_id("user-table").count(), 0, "user tables shown to a viewer")
    page.goto("/search")
    _sign_out(page)
    sign_in(page, scene.who("tenant_admin"))
    page.get_by_test_id("nav-admin").first.wait_for()


@browser_journey("pages.admin-lists-the-users", "admin.users")
def admin(scene: Scene, page: Page) -> None:
    """A tenant's admin sees the own tenant's users, and nobody else."""
    sign_in(page, scene.who("tenant_admin"), "/admin/users")
    table = page.get_by_test_id("user-table")
    table.get_by_text(scene.who("viewer").username, exact=False).first.wait_for()
    check(scene.who("viewer", scene.stranger).username not in table.inner_text(), "a stranger's user is listed")


@browser_journey("pages.sign-out-ends-it", "auth.logout")
def sign_out(scene: Scene, page: Page) -> None:
    """After signing out the pages ask for a sign-in again."""
    sign_in(page, scene.who("viewer"))
    _sign_out(page)
    page.goto("/search")
    page.get_by_test_id("login-form").or_(page.get_by_test_id("login-oidc")).first.wait_for()
