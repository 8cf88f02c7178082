// Pictures of every view of a running platform, in both themes, into a folder, as WebP of at most 80 kB each.
//
//   SMOKE_URL=… SMOKE_USER=<tenant_admin> SMOKE_PASSWORD=… [SMOKE_ADMIN=<admin>] npm run screenshots -- FOLDER [--phone] [--only=alerts,search]
import { mkdirSync, writeFileSync } from "node:fs";

import { needed, Walk } from "./browser.mjs";

const [base, user, password] = needed("SMOKE_URL", "SMOKE_USER", "SMOKE_PASSWORD");
const folder = process.argv.slice(2).find((argument) => !argument.startsWith("--"));
if (!folder) {
  console.error("say into which folder");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const walk = await new Walk(base).start();
const only = process.argv.find((argument) => argument.startsWith("--only="))?.slice(7).split(",") ?? null;
const widths = process.argv.includes("--phone") ? [1440, 390] : [1440];
const MOST_BYTES = 80_000;

// Name, path, and what to do before the picture.
const VIEWS = [
  ["search", "/search?from=now-1h&to=now"],
  ["search-open", "/search?from=now-1h&to=now&q=timeout", async (page) => {
    await page.getByTestId("result-row").first().locator(".exp").click();
    await page.getByTestId("result-detail").waitFor();
  }],
  ["live", "/search?live=1", async (page) => { await page.getByTestId("live-status").waitFor(); }],
  ["trace", "/search?type=traces&from=now-1h&to=now", async (page) => {
    await page.getByTestId("result-row").first().locator("a").first().click();
    await page.getByTestId("span-row").first().click();
    await page.getByTestId("span-detail").waitFor();
  }],
  ["metrics", "/metrics?from=now-1h&to=now"],
  ["alerts", "/alerts"],
  ["alerts-bulk", "/alerts", async (page) => {
    for (const index of [0, 2, 4]) await page.getByTestId("alert-row").nth(index).locator("input").click();
  }],
  ["alert", "/alerts", async (page) => { 
    await page.getByTestId("alert-row-title").first().click();
    await page.getByTestId("alert-status").waitFor();
    await page.getByTestId("alert-chart").first().waitFor();
  }],
  ["silences", "/alerts/silences"],
  ["insights", "/insights"],
  ["insights-anomalies", "/insights/anomalies?sigma=2"],
  ["users", "/admin/users"],
  ["audit", "/admin/audit"],
  ["profile", "/profile"],
];

/** WebP in the quality that keeps it below the bound; the window, not the whole page: that is what people see. */
async function picture(page, name) {
  const devtools = await page.context().newCDPSession(page);
  for (const quality of [82, 70, 55, 40]) {
    const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality });
    const bytes = Buffer.from(data, "base64");
    if (bytes.length > MOST_BYTES && quality > 40) continue;
    writeFileSync(`${folder}/${name}.webp`, bytes);
    console.log(`${name}.webp ${Math.round(bytes.length / 1000)} kB`);
    break;
  }
  await devtools.detach();
}

async function all(width, theme) {
  const end = width === 1440 ? theme : `${theme}-phone`;
  const wanted = (name) => only === null || only.includes(name);
  if (wanted("login")) {
    const context = await walk.browser.newContext({ baseURL: base, viewport: { width, height: 900 }, colorScheme: theme });
    const door = await context.newPage();
    await door.goto("/login");
    await door.getByTestId("login-form").waitFor();
    await picture(door, `login-${end}`);
    await context.close();
  }
  const page = await walk.signedIn(user, password, width, theme);
  for (const [name, path, act] of VIEWS.filter(([each]) => wanted(each))) {
    try {
      await walk.open(page, path);
      await act?.(page);
      await page.waitForLoadState("networkidle").catch(() => undefined);
      await page.locator(".skel").first().waitFor({ state: "detached" });
      await page.mouse.move(0, 0);
      await page.waitForTimeout(300);
      await picture(page, `${name}-${end}`);
    } catch (error) {
      walk.findings.push(`${name} ${end}: ${error.message.split("\n")[0]}`);
    }
  }
  await page.context().close();
  if (process.env.SMOKE_ADMIN && wanted("tenants")) {
    const admin = await walk.signedIn(process.env.SMOKE_ADMIN, password, width, theme);
    await walk.open(admin, "/admin/tenants");
    await picture(admin, `tenants-${end}`);
    await admin.context().close();
  }
}

await walk.run(async () => {
  for (const width of widths) for (const theme of ["light", "dark"]) await all(width, theme);
});
