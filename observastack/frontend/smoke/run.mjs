// A walk through the pages of a running platform in the machine's Chromium: the essential controls work, axe finds
// nothing, nothing scrolls sideways, no script error. Prints one line for each view and width; exit code 1 on a finding.
//
//   SMOKE_URL=http://127.0.0.1:3000 SMOKE_USER=… SMOKE_PASSWORD=… npm run smoke [-- --keep FOLDER for pictures]
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const { SMOKE_URL: base, SMOKE_USER: user, SMOKE_PASSWORD: password } = process.env;
if (!base || !user || !password) {
  console.error("SMOKE_URL, SMOKE_USER and SMOKE_PASSWORD are needed");
  process.exit(2);
}
const keep = process.argv.includes("--keep") ? process.argv[process.argv.indexOf("--keep") + 1] : null;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const arguments_ = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const browser = await chromium.launch({ executablePath: process.env.SMOKE_BROWSER ?? "/usr/bin/chromium", args: arguments_ });
const findings = [];

/** A fresh browser with one page; collects what goes wrong in it. */
async function open(width, theme) {
  const phone = width < 700;
  const context = await browser.newContext({
    baseURL: base, viewport: { width, height: 900 }, colorScheme: theme, hasTouch: phone, isMobile: phone, bypassCSP: true,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => findings.push(`${width} ${theme}: script error: ${error.message}`));
  return page;
}

async function judge(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { rules: { "target-size": { enabled: true } } }));
  for (const { id, nodes } of violations) {
    findings.push(`${name}: ${id} on ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}: ${nodes[0]?.failureSummary?.split("\n")[1] ?? ""}`);
  }
  const [inner, whole] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
  if (whole > inner) findings.push(`${name}: ${whole - inner} px wider than the window`);
  if (keep) await page.screenshot({ path: `${keep}/${name.replaceAll(/[^a-z0-9]+/gi, "-")}.png` });
  console.log(`${violations.length === 0 && whole <= inner ? "ok  " : "FAIL"} ${name}`);
}

async function settled(page) {
  await page.getByTestId("result-row").or(page.getByTestId("empty-state")).first().waitFor();
  await page.getByTestId("loading-status").waitFor({ state: "detached" });
}

async function signIn(page, path) {
  await page.goto(path);
  await page.getByTestId("login-username").fill(user);
  await page.getByTestId("login-password").fill(password);
  await page.getByTestId("login-submit").click();
  await page.getByTestId("search-input").waitFor();
}

async function walk(width, theme) {
  const at = `${width} ${theme}`;
  const page = await open(width, theme);
  await page.goto("/login");
  await page.getByTestId("login-form").waitFor();
  await judge(page, `login ${at}`);
  await page.getByTestId("login-username").fill(user);
  await page.getByTestId("login-password").fill("certainly not");
  await page.getByTestId("login-submit").click();
  await page.getByTestId("login-error").waitFor();
  await judge(page, `login refused ${at}`);

  await signIn(page, "/search?from=now-7d&to=now");
  await settled(page);
  await judge(page, `search ${at}`);
  if ((await page.getByTestId("result-row").count()) > 0) {
    await page.getByTestId("result-row").first().locator(".exp").click();
    await page.getByTestId("result-detail").waitFor();
    await page.waitForTimeout(500);
    await judge(page, `search, a line open ${at}`);
  }
  await page.getByTestId("time-range").click();
  await page.getByTestId("time-range-menu").waitFor();
  await judge(page, `search, time range ${at}`);
  await page.keyboard.press("Escape");
  await page.getByTestId("search-add-filter").click();
  await page.getByTestId("search-filter-editor").waitFor();
  await judge(page, `search, filter ${at}`);
  await page.keyboard.press("Escape");

  await page.goto("/search?q=certainly-nothing-like-this&from=now-15m&to=now");
  await page.getByTestId("empty-state").waitFor();
  await judge(page, `search, nothing found ${at}`);
  await page.goto("/search?live=1");
  await page.getByTestId("live-status").waitFor();
  await judge(page, `live tail ${at}`);

  await page.goto("/search?type=traces&from=now-7d&to=now");
  await settled(page);
  if ((await page.getByTestId("result-row").count()) > 0) {
    await page.getByTestId("result-row").first().locator("a").first().click();
    await page.getByTestId("waterfall").waitFor();
    await page.getByTestId("span-row").first().click();
    await page.getByTestId("span-detail").waitFor();
    await judge(page, `trace ${at}`);
  }
  await page.goto("/nowhere");
  await page.getByTestId("not-found").waitFor();
  await judge(page, `not found ${at}`);
  await page.context().close();
}

/** Keyboard only, at a desk. */
async function keys() {
  const page = await open(1440, "light");
  await signIn(page, "/search?from=now-7d&to=now");
  await settled(page);
  const expect = async (what, found) => {
    console.log(`${found ? "ok  " : "FAIL"} ${what}`);
    if (!found) findings.push(what);
  };
  const focused = (selector) => page.evaluate((text) => document.activeElement?.matches(text) ?? false, selector);
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Tab");
  await expect("the first stop is the skip link", await focused(".skip"));
  await page.keyboard.press("Enter");
  await expect("it leads to the content", await focused("#main"));
  await page.keyboard.press("/");
  await expect("/ goes to the query", await focused("[data-testid=search-input]"));
  await page.keyboard.type("?");
  await expect("keys are text inside a field", (await page.getByTestId("shortcuts-dialog").count()) === 0);
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.getByTestId("shortcuts-dialog").waitFor();
  await judge(page, "keys dialog");
  await page.keyboard.press("Escape");
  await page.getByTestId("shortcuts-dialog").waitFor({ state: "hidden" });
  if ((await page.getByTestId("result-row").count()) > 1) {
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await expect("j walks the lines", await focused("li:nth-child(2) .exp"));
    await page.keyboard.press("Enter");
    await page.getByTestId("result-detail").waitFor();
    await expect("Enter opens the line", (await page.getByTestId("result-detail").count()) === 1);
    await expect("the open line is in the address", page.url().includes("open="));
  }
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.waitForURL("**/alerts");
  await page.goBack();
  await page.getByTestId("search-input").waitFor();

  // A session that ends: the page stays, the way back is kept.
  await page.goto("/search?q=kept&from=now-15m&to=now");
  await page.getByTestId("result-list").or(page.getByTestId("empty-state")).first().waitFor();
  await page.route("**/api/v1/**", (route) =>
    route.fulfill({ status: 401, contentType: "application/json", body: JSON.stringify({ error: { code: "unauthenticated", message: "the session has ended", request_id: "smoke", details: [] } }) }),
  );
  await page.getByTestId("search-run").click();
  await page.getByTestId("session-dialog").waitFor();
  await expect("the dialog's answer has the focus", await focused("[data-testid=session-signin]"));
  await judge(page, "session dialog");
  await page.unroute("**/api/v1/**");
  await page.getByTestId("session-signin").click();
  await page.getByTestId("login-username").fill(user);
  await page.getByTestId("login-password").fill(password);
  await page.getByTestId("login-submit").click();
  await page.waitForURL((url) => url.pathname === "/search" && url.searchParams.get("q") === "kept");
  await expect("signing in again returns to the page", true);
  await page.context().close();
}

try {
  for (const [width, theme] of [[1440, "light"], [1440, "dark"], [390, "light"], [390, "dark"]]) await walk(width, theme);
  await keys();
} catch (error) {
  findings.push(`the walk ended early: ${error.message.split("\n")[0]}`);
} finally {
  await browser.close();
}
for (const finding of findings) console.error(finding);
console.log(findings.length === 0 ? "no findings" : `${findings.length} findings`);
process.exit(findings.length === 0 ? 0 : 1);
