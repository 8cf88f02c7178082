// A long list of results, scrolled by wheel to its end and back: how many rows are in the document, how long frames take, and
// whether somebody who scrolls sees gaps. The tenant needs as many items as rows are asked for in the last day.
//
//   SMOKE_URL=… SMOKE_USER=… SMOKE_PASSWORD=… [SMOKE_ROWS=10000] npm run smoke:scroll
import { needed, Walk } from "./browser.mjs";

const [base, user, password] = needed("SMOKE_URL", "SMOKE_USER", "SMOKE_PASSWORD");
const wanted = Number(process.env.SMOKE_ROWS ?? 10_000);
const MOST_ROWS = 150;
const MOST_P95_MS = 50;
const NOTCH_PX = 600; // of a brisk turn of the wheel
const walk = await new Walk(base).start();

async function loaded(page) {
  return Number(/1 – ([\d,]+)/.exec(await page.getByTestId("pager").innerText())?.[1]?.replaceAll(",", "") ?? 0);
}

/** Presses "older" until so many rows are there; how many it became. */
async function load(page, rows) {
  const more = page.getByTestId("pager-next");
  let have = await loaded(page);
  while (have < rows && (await more.count()) > 0) {
    await more.click();
    await page.waitForFunction((before) => !document.querySelector("[data-testid=pager] .num")?.textContent?.includes(`1 – ${before}`), have.toLocaleString("en"));
    have = await loaded(page);
  }
  return have;
}

/** Turns the wheel until the page moves no more. gaps: also look whether there is a row in the middle of the window. */
async function turn(page, direction, gaps) {
  await page.evaluate((look) => {
    const seen = { frames: [], rows: 0, gaps: 0, on: true };
    globalThis.seen = seen;
    let last = performance.now();
    const frame = (now) => {
      seen.frames.push(now - last);
      last = now;
      seen.rows = Math.max(seen.rows, document.querySelectorAll("[data-testid=result-row]").length);
      if (look) {
        const list = document.querySelector("[data-testid=result-list]").getBoundingClientRect();
        const middle = innerHeight / 2;
        const inside = list.top < middle && list.bottom > middle;
        if (inside && !document.elementFromPoint(innerWidth * 0.6, middle)?.closest("[data-testid=result-row]")) seen.gaps += 1;
      }
      if (seen.on) requestAnimationFrame(frame);
    };
    requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
  }, gaps);
  await page.mouse.move(900, 500);
  for (let still = 0, at = -1; still < 5; ) {
    await page.mouse.wheel(0, direction * NOTCH_PX);
    const now = await page.evaluate(() => new Promise((next) => requestAnimationFrame(() => next(scrollY))));
    still = now === at ? still + 1 : 0;
    at = now;
  }
  return page.evaluate(() => {
    globalThis.seen.on = false;
    return globalThis.seen;
  });
}

function told({ frames, rows, gaps }) {
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { frames: sorted.length, p50: at(0.5), p95: at(0.95), max: sorted.at(-1), rows, gaps };
}

await walk.run(async () => {
  const page = await walk.signedIn(user, password, 1440, "light");
  await walk.open(page, "/search?from=now-1d&to=now");
  const rows = await load(page, wanted);
  walk.expect(`${rows} rows loaded`, rows >= wanted);
  await page.evaluate(() => scrollTo(0, 0));
  for (const [name, direction, gaps] of [["down", 1, false], ["up", -1, true]]) {
    const seen = told(await turn(page, direction, gaps));
    const ms = (value) => value.toFixed(1);
    console.log(`${name}: ${seen.frames} frames, p50 ${ms(seen.p50)} ms, p95 ${ms(seen.p95)} ms, longest ${ms(seen.max)} ms, at most ${seen.rows} rows in the document${gaps ? `, ${seen.gaps} frames with a gap` : ""}`);
    walk.expect(`${name}: fewer than ${MOST_ROWS} rows in the document`, seen.rows > 0 && seen.rows < MOST_ROWS);
    walk.expect(`${name}: 95 of 100 frames within ${MOST_P95_MS} ms`, seen.p95 <= MOST_P95_MS);
  }
});
