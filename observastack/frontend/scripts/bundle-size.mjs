// The whole bundle (every script and style, also the lazy ones) must stay below the budget, gzipped.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 300 * 1024;
const dist = new URL("../dist/", import.meta.url).pathname;
const files = readdirSync(dist, { recursive: true }).filter((name) => /\.(js|css|html|svg)$/.test(name));
const sizes = files.map((name) => [name, gzipSync(readFileSync(join(dist, name)), { level: 9 }).length]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`bundle: ${(total / 1024).toFixed(1)} kB gzip of ${BUDGET / 1024} kB in ${files.length} files`);
if (total >= BUDGET) {
  for (const [name, size] of sizes.sort((a, b) => b[1] - a[1])) console.error(`${(size / 1024).toFixed(1)} kB  ${name}`);
  console.error("The bundle is over its budget: load more lazily, or take something out.");
  process.exit(1);
}
