import { describe, expect, it } from "vitest";

import { formatAgo, formatDuration } from "./duration";
import { formatBytes, formatChange, formatCount, formatMoney, formatPercent, formatSeconds, formatTicks, formatValue, unitOfMetric } from "./quantity";

it("what is missing is a dash, never a zero", () => {
  for (const format of [formatCount, formatBytes, formatPercent, formatChange, formatSeconds, formatDuration]) {
    expect(format(null)).toBe("–");
    expect(format(NaN)).toBe("–");
  }
});

it("counts", () => {
  expect([0, 0.034, 1.984, 45.23, 1204, 610_000, 1_240_000].map(formatCount)).toEqual(["0", "0.034", "1.98", "45.2", "1,204", "610 k", "1.24 M"]);
  expect(formatCount(-12)).toBe("−12");
  expect([0.0042, 0.0000042].map(formatCount)).toEqual(["0.0042", "4.2e-6"]);
  expect(formatCount(Infinity)).toBe("∞");
});

it("bytes have decimal prefixes", () => {
  expect([512, 18_400, 3_900_000_000, 184e9, 1e15].map(formatBytes)).toEqual(["512 B", "18.4 kB", "3.9 GB", "184 GB", "1 PB"]);
});

it("changes carry their sign, and none when they round to nothing", () => {
  expect([5.8, -2.1, 0, 0.04].map((value) => formatChange(value))).toEqual(["+5.8 %", "−2.1 %", "0.0 %", "0.0 %"]);
  expect(formatChange(3, "points", 0)).toBe("+3 points");
});

it("money shows cents only where they matter", () => {
  expect(formatMoney(15_100, "USD")).toBe("$15,100");
  expect(formatMoney(4.126, "USD")).toBe("$4.13");
  expect(formatMoney(0.0042, "USD")).toBe("$0.0042");
  expect(formatMoney(3, "no such")).toBe("3 no such");
});

it("seconds take the unit that fits", () => {
  expect([0, 0.00034, 0.012, 0.34, 1.98, 45.2, 150, 11_520].map(formatSeconds)).toEqual(["0 s", "340 µs", "12 ms", "0.34 s", "1.98 s", "45.2 s", "2.5 min", "3.2 h"]);
});

it("an axis drops the zeros that all its labels share", () => {
  expect(formatTicks([0, 2, 4], "s")).toEqual(["0 s", "2 s", "4 s"]);
  expect(formatTicks([0, 0.5, 1, 1.5], "s")).toEqual(["0 s", "0.5 s", "1.0 s", "1.5 s"]);
  expect(formatTicks([0, 0.05, 0.1], "ratio")).toEqual(["0 %", "5 %", "10 %"]);
  expect(formatTicks([0, 100], "count")).toEqual(["0", "100"]);
});

it("a ratio is written as percent", () => {
  expect(formatValue(0.121, "ratio")).toBe("12.1 %");
  expect(formatValue(424, "per_s")).toBe("424 /s");
});

it("the name of a metric gives its unit", () => {
  expect(unitOfMetric("http_server_duration_seconds_bucket")).toBe("s");
  expect(unitOfMetric("process_resident_memory_bytes")).toBe("bytes");
  expect(unitOfMetric("cpu_used_ratio")).toBe("ratio");
  expect(unitOfMetric("http_requests_total", true)).toBe("per_s");
  expect(unitOfMetric("queue_depth")).toBe("none");
  expect(unitOfMetric("process.memory.usage")).toBe("bytes");
  expect(unitOfMetric("system.cpu.utilization")).toBe("ratio");
  expect(unitOfMetric("process.cpu.time", true)).toBe("ratio");
});

describe("durations", () => {
  it("have at most two parts", () => {
    expect([45, 840, 12_540, 172_800, 180_000].map((value) => formatDuration(value))).toEqual(["45 s", "14 min", "3 h 29 min", "2 days", "2 days 2 h"]);
    expect(formatDuration(192, true)).toBe("3 min 12 s");
  });

  it("to now are said as people say them", () => {
    const now = Date.parse("2026-11-23T12:00:00Z");
    const ago = (seconds: number) => formatAgo(now - seconds * 1000, now);
    expect([0, 30, 120, 3_700, 90_000, 41 * 86_400].map(ago)).toEqual(["now", "30 s ago", "2 min ago", "1 h ago", "yesterday", "41 days ago"]);
    expect(ago(-720)).toBe("in 12 min");
  });
});
