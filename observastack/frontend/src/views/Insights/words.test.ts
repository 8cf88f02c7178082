import { expect, it } from "vitest";

import { changeTone, rangeWords, severityOf, sigmas, signalValue } from "./words";

it("a value is told in the unit of its signal", () => {
  expect(signalValue(0.121, "ratio")).toBe("12.1 %");
  expect(signalValue(1.98, "s")).toBe("1.98 s");
  expect(signalValue(4100, "/min")).toBe("4,100 /min");
  expect(signalValue(301, "1")).toBe("301");
});

it("strong deviations stand out", () => {
  expect([9.4, -6, 4.2, 3].map(severityOf)).toEqual(["error", "error", "warn", "neutral"]);
  expect([9.44, 3, -4.25, 512].map(sigmas)).toEqual(["9.4 σ", "3 σ", "4.3 σ", ">100 σ"]);
});

it("small changes are noise, nothing is not a change", () => {
  expect([12.4, 3.1, -4.2, -0.5, 0, null].map((value) => changeTone(value))).toEqual(["up", "muted", "down", "muted", "muted", "muted"]);
});

it("a range in words", () => {
  expect([3600, 86_400, 604_800, 2_592_000].map(rangeWords)).toEqual(["hour", "24 hours", "7 days", "30 days"]);
});
