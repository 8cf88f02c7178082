import { describe, expect, it } from "vitest";

import { bounds, fixed, last, lastSeconds, parseBound, problem, resolve, shift, title } from "./range";

const NOW = Date.UTC(2026, 10, 23, 9, 30);

describe("a typed bound", () => {
  it.each([
    ["now", "now"],
    [" Now-30M ", "now-30m"],
    ["now - 2h", "now-2h"],
    ["09:00", "2026-11-23T09:00:00.000Z"],
    ["9:05:07", "2026-11-23T09:05:07.000Z"],
    ["2026-11-22", "2026-11-22T00:00:00.000Z"],
    ["2026-11-22 23:59", "2026-11-22T23:59:00.000Z"],
    ["2026-11-22T23:59:58", "2026-11-22T23:59:58.000Z"],
    ["2026-11-22T23:59:58+02:00", "2026-11-22T21:59:58.000Z"],
  ])("%s is %s", (text, expected) => expect(parseBound(text, NOW, "utc")).toBe(expected));

  it.each(["", "soon", "25:00", "2026-02-30 10:00", "2026-13-01", "now-", "now+5m", "12345"])("%j is none", (text) =>
    expect(parseBound(text, NOW, "utc")).toBeNull(),
  );
});

it("a range that ends now has the largest unit that fits", () => {
  expect([1800, 3600, 5400, 86_400, 45].map((seconds) => last(seconds).from)).toEqual(["now-30m", "now-1h", "now-90m", "now-1d", "now-45s"]);
  expect(lastSeconds(last(5400))).toBe(5400);
  expect(lastSeconds({ from: "now-1h", to: "now-30m" })).toBeNull();
});

it("shifting moves by one length and never beyond now", () => {
  const back = shift(last(1800), -1, NOW);
  expect(resolve(back, NOW)).toEqual({ from: NOW - 3_600_000, to: NOW - 1_800_000 });
  expect(resolve(shift(back, 1, NOW), NOW)).toEqual({ from: NOW - 1_800_000, to: NOW });
  expect(shift(last(1800), 1, NOW)).toEqual(last(1800));
  const late = fixed({ from: NOW - 2_400_000, to: NOW - 600_000 });
  expect(resolve(shift(late, 1, NOW), NOW)).toEqual({ from: NOW - 1_800_000, to: NOW });
});

it("says what is wrong at the field", () => {
  expect(problem(null, "now", NOW)?.field).toBe("from");
  expect(problem("now", "now-1h", NOW)?.field).toBe("to");
  expect(problem("now-1h", "now", NOW)).toBeNull();
});

it("is said with days only when they are not today", () => {
  expect(bounds({ from: NOW - 1_800_000, to: NOW }, NOW, "utc")).toBe("09:00 – 09:30 UTC");
  expect(bounds({ from: NOW - 86_400_000, to: NOW }, NOW, "utc")).toBe("2026-11-22 09:30 – 2026-11-23 09:30 UTC");
  expect(title(last(1800), NOW, "utc")).toBe("Last 30 min");
});
