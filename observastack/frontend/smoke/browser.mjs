// The machine's Chromium for walks and pictures: pages that are signed in, axe, and a list of what was found.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
export const SIZES = [[1440, "light"], [1440, "dark"], [390, "light"], [390, "dark"]];

/** Environment variables that must be there; says which are missing and ends. */
export function needed(...names) {
  const missing = names.filter((name) => !process.env[name]);
  if (missing.length > 0) {
    console.error(`${missing.join(", ")} needed`);
    process.exit(2);
  }
  return names.map((name) => process.env[name]);
}

export class Walk {
  findings = [];

  constructor(base) {
    this.base = base;
  }

  async start() {
    this.browser = await chromium.launch({ executablePath: process.env.SMOKE_BROWSER ?? "/usr/bin/chromium", args: FLAGS });
    return this;
  }

  /** A fresh browser with one page, signed in. */
  async signedIn(user, password, width, theme) {
    const phone = width < 700;
    const context = await this.browser.newContext({
      baseURL: this.base, viewport: { width, height: phone ? 844 : 900 }, colorScheme: theme, hasTouch: phone, isMobile: phone, bypassCSP: true,
    });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.findings.push(`${width} ${theme}: script error: ${error.message}`));
    await page.goto("/login");
    await page.getByTestId("login-username").fill(user);
    await page.getByTestId("login-password").fill(password);
    await page.getByTestId("login-submit").click();
    await page.waitForURL((url) => !url.pathname.startsWith("/login"));
    return page;
  }

  /** The view, its data there and its skeletons gone. */
  async open(page, path) {
    await page.goto(path);
    await page.locator("main").waitFor();
    await page.waitForLoadState("networkidle").catch(() => undefined);
    await page.locator(".skel").first().waitFor({ state: "detached" });
  }

  /** axe with target-size, and no sideways scrolling. */
  async judge(page, name) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { rules: { "target-size": { enabled: true } } }));
    for (const { id, nodes } of violations) {
      this.findings.push(`${name}: ${id} on ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}: ${nodes[0]?.failureSummary?.split("\n")[1] ?? ""}`);
    }
    const [inner, whole] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
    if (whole > inner) this.findings.push(`${name}: ${whole - inner} px wider than the window`);
    console.log(`${violations.length === 0 && whole <= inner ? "ok  " : "FAIL"} ${name}`);
  }

  expect(what, holds) {
    console.log(`${holds ? "ok  " : "FAIL"} ${what}`);
    if (!holds) this.findings.push(what);
  }

  /** Runs the steps; an exception is a finding, too. Ends the process: 0 without findings, else 1. */
  async run(steps) {
    try {
      await steps();
    } catch (error) {
      this.findings.push(`the walk ended early: ${error.message.split("\n").slice(0, 3).join(" ")}`);
    } finally {
      await this.browser.close();
    }
    for (const finding of this.findings) console.error(finding);
    console.log(this.findings.length === 0 ? "no findings" : `${this.findings.length} findings`);
    process.exit(this.findings.length === 0 ? 0 : 1);
  }
}
