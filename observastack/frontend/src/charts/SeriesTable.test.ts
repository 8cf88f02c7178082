import { expect, it } from "vitest";

import { describe as inWords, linePath } from "./LineChart";
import { sortRows } from "./SeriesTable";

const row = (label: string, max: number | null) => ({ id: label, label, colour: "", points: [], min: max, mean: max, max, last: max, maxAt: null });

it("series sort by a number, those without one last in both directions", () => {
  const rows = [row("b", 1), row("none", null), row("a", 3)];
  expect(sortRows(rows, { column: "max", descending: true }).map((each) => each.label)).toEqual(["a", "b", "none"]);
  expect(sortRows(rows, { column: "max", descending: false }).map((each) => each.label)).toEqual(["b", "a", "none"]);
});

it("a gap is not drawn over", () => {
  const path = linePath([[0, 0], [10, 1], [20, null], [30, 1], [40, 0]], { from: 0, to: 40 }, { from: 0, to: 1 }, 10);
  expect(path.match(/M/g)).toHaveLength(2);
});

it("a chart is told in words, with its highest value and whether that is over the threshold", () => {
  const t = Date.parse("2026-11-23T09:00:00Z");
  const series = [{ id: "p", label: "payments", colour: "", points: [[t, 0.3], [t + 1_020_000, 1.95]] as const }];
  expect(inWords("p95 latency", series, { from: t, to: t + 1_800_000 }, "s", "utc", { value: 1.5 })).toBe(
    "p95 latency from 09:00 to 09:30 UTC, 1 series; highest is payments with 1.95 s at 09:17, above the threshold of 1.50 s",
  );
  expect(inWords("p95", [], { from: t, to: t + 1 }, "s", "utc")).toContain("no data");
});
