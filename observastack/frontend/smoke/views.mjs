// Metrics, alerts, silences, insights, administration, profile: every view and dialog under axe at two widths and in both
// themes, then what the controls do, and what a viewer may not. Needs a tenant with metrics and at least three alerts.
//
//   SMOKE_URL=… SMOKE_USER=<tenant_admin> SMOKE_VIEWER=<viewer> SMOKE_PASSWORD=… npm run smoke:views
import { needed, SIZES, Walk } from "./browser.mjs";

const [base, user, viewer, password] = needed("SMOKE_URL", "SMOKE_USER", "SMOKE_VIEWER", "SMOKE_PASSWORD");
// SMOKE_SIZES=390 walks that width only.
const sizes = SIZES.filter(([width]) => !process.env.SMOKE_SIZES || process.env.SMOKE_SIZES.split(",").includes(String(width)));
const walk = await new Walk(base).start();

// Path, and what is pressed before it is judged.
const STATES = [
  ["/metrics"], ["/metrics", "metric-editor"], ["/metrics", "metric-add-filter"], ["/metrics", "metric-more"], ["/metrics", "time-range"],
  ["/metrics?expr=predict_linear(up[5m],60)"], ["/metrics?expr=sum("],
  ["/alerts"], ["/alerts", "alert-row-select"], ["/alerts", "alert-row-select", "bulk-silence"], ["/alerts", "alert-row-select", "bulk-assign"],
  ["/alerts", "alert-row-title"], ["/alerts", "alert-row-title", "silence-new"], ["/alerts/00000000-0000-0000-0000-000000000000"],
  ["/alerts/silences"], ["/alerts/silences", "silence-new"],
  ["/insights"], ["/insights/utilisation"], ["/insights/cost"], ["/insights/anomalies"], ["/insights", "insights-export"],
  ["/admin/tenants"], ["/admin/tenants", "tenant-menu"], ["/admin/users"], ["/admin/users", "user-invite"], ["/admin/audit"], ["/admin/audit", "audit-open"],
  ["/admin/audit", "audit-add-filter"], ["/profile"],
];

async function states(width, theme) {
  const page = await walk.signedIn(user, password, width, theme);
  for (const [path, ...presses] of STATES) {
    await walk.open(page, path);
    for (const id of presses) {
      await page.getByTestId(id).first().click();
      await page.waitForLoadState("networkidle").catch(() => undefined);
    }
    await page.locator(".skel").first().waitFor({ state: "detached" });
    await walk.judge(page, `${[path, ...presses].join(" + ")} ${width} ${theme}`);
  }
  await page.context().close();
}

async function metrics(page) {
  await walk.open(page, "/metrics");
  await page.getByTestId("metric-chart").waitFor();
  await page.getByTestId("metric-function").selectOption("count");
  await page.getByTestId("metric-run").click();
  await page.waitForURL((url) => url.searchParams.get("expr")?.startsWith("count") ?? false);
  await page.getByTestId("metric-chart").waitFor();
  walk.expect("the query is in the address", true);
  await page.getByTestId("metric-editor").click();
  await page.getByTestId("metric-promql-input").fill("predict_linear(up[1h], 60)");
  await page.keyboard.press("Control+Enter");
  await page.getByTestId("metric-unsupported").first().waitFor();
  walk.expect("what the store cannot do is said, with what it can", (await page.getByTestId("metric-unsupported").first().innerText()).includes("Supported"));
  await page.getByTestId("metric-promql-input").fill("sum(");
  await page.keyboard.press("Control+Enter");
  await page.getByTestId("metric-invalid").waitFor();
  walk.expect("a query that cannot be read is said at its field", await page.getByText("This query cannot be read:").isVisible());
}

async function alerts(page) {
  await walk.open(page, "/alerts");
  const rows = page.getByTestId("alert-row");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Shift+X");
  walk.expect("x and Shift x select a range", (await page.getByTestId("bulk-bar").innerText()).startsWith("3 selected"));
  const before = await rows.first().innerText();

  // One is done, two are refused: nothing else may look done.
  await page.route("**/api/v1/alerts/actions", async (route) => {
    const { ids } = route.request().postDataJSON();
    const results = ids.map((id, index) => (index === 1
      ? { id, ok: true, status: 200, message: null, alert: null } : { id, ok: false, status: 409, message: "already resolved by jonas at 2020-01-01T10:00:00Z", alert: null }));
    await route.fulfill({ json: { results, succeeded: 1, failed: ids.length - 1 } });
  });
  await page.keyboard.press("a");
  const toast = page.getByTestId("toast-warn");
  await toast.waitFor();
  const said = await toast.innerText();
  walk.expect("a bulk action counts what the server confirmed", said.includes("1 alert acknowledged") && said.includes("2 were refused") && said.includes("already resolved by jonas"));
  walk.expect("a refused alert does not look acknowledged", (await rows.first().innerText()).split("\n")[0] === before.split("\n")[0]);
  walk.expect("those that were refused stay selected", (await page.getByTestId("bulk-bar").innerText()).startsWith("2 selected"));
  await page.unroute("**/api/v1/alerts/actions");

  await walk.open(page, "/alerts?status=active");
  await page.getByTestId("alert-row-title").first().click();
  await page.getByTestId("alert-status").waitFor();
  const refuse = (status, message, headers = {}) => (route) => route.fulfill({ status, headers, json: { error: { code: "conflict", message, request_id: "smoke", details: [] } } });
  await page.route("**/api/v1/alerts/*/acknowledge", refuse(409, "already acknowledged by jonas"));
  await page.getByTestId("alert-acknowledge").click();
  await page.getByText("Already acknowledged by jonas").waitFor();
  walk.expect("somebody faster is named, and the status stays", (await page.getByTestId("alert-status").innerText()) === "active");
  await page.unroute("**/api/v1/alerts/*/acknowledge");
  await page.route("**/api/v1/alerts/*/acknowledge", refuse(429, "too many requests", { "retry-after": "12" }));
  await page.getByTestId("alert-acknowledge").click();
  await page.getByText("may start in 12 s").waitFor();
  walk.expect("a limit says how long to wait", true);
  await page.unroute("**/api/v1/alerts/*/acknowledge");
  await page.getByTestId("alert-acknowledge").click();
  await page.getByTestId("alert-history-entry").filter({ hasText: "Acknowledged by" }).waitFor();
  walk.expect("what is done is in the history", (await page.getByTestId("alert-status").innerText()) === "acknowledged");
  await page.getByTestId("alert-resolve").click();
  await page.getByTestId("action-note").fill("smoke");
  await page.keyboard.press("Enter");
  await page.getByText("“smoke”").waitFor();
  walk.expect("a note is in the history", true);
}

async function administration(page) {
  await walk.open(page, "/admin/users");
  const name = `smoke-${Date.now().toString(36)}`;
  await page.getByTestId("user-invite").click();
  await page.getByTestId("user-create").click();
  walk.expect("a form says what is missing", await page.getByText("Give a user name").isVisible());
  await page.getByTestId("user-username").fill(name);
  await page.getByTestId("user-email").fill(`${name}@example.test`);
  await page.getByTestId("user-create").click();
  await page.getByTestId("user-password").waitFor();
  await page.getByTestId("user-password-done").click();
  await page.getByTestId("user-find").fill(name);
  const row = page.getByTestId("user-row").filter({ hasText: name });
  await row.waitFor();
  await row.getByTestId("user-enabled").click();
  await page.getByTestId("user-confirm-confirm").click();
  await row.locator("[role=switch][aria-checked=false]").waitFor();
  await row.getByTestId("user-menu-row").click();
  await page.getByTestId("user-delete").click();
  await page.getByTestId("user-confirm-confirm").click();
  await row.waitFor({ state: "detached" });
  walk.expect("a user is made, switched off and deleted", true);
  await walk.open(page, "/admin/audit");
  walk.expect("the audit log has it", (await page.getByTestId("audit-table").innerText()).includes("user"));
}

async function limits() {
  const page = await walk.signedIn(viewer, password, 1440, "light");
  await walk.open(page, "/alerts");
  walk.expect("a viewer sees no administration", (await page.getByTestId("nav-admin").count()) === 0);
  await page.getByTestId("alert-select-all").click();
  const button = page.getByTestId("bulk-acknowledge");
  walk.expect("what a role may not do is off and says why", (await button.getAttribute("aria-disabled")) === "true" && (await button.getAttribute("title")) === "Needs the role editor");
  await walk.open(page, "/insights");
  walk.expect("export needs another role", (await page.getByTestId("insights-export").getAttribute("title")) === "Needs the role analyst");
  await walk.open(page, "/admin/audit");
  await page.getByTestId("forbidden").waitFor();
  walk.expect("a refusal is drawn in place", page.url().endsWith("/admin/audit"));
  await walk.judge(page, "forbidden");
  await page.context().close();
}

await walk.run(async () => {
  for (const [width, theme] of sizes) await states(width, theme);
  const page = await walk.signedIn(user, password, 1440, "light");
  await metrics(page);
  await alerts(page);
  await administration(page);
  await page.context().close();
  await limits();
});
