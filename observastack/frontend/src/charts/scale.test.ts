import { describe, expect, it } from "vitest";

import { countTicks, niceStep, percent, queryStep, timeLabel, timeTicks, valueTicks } from "./scale";

const at = (text: string) => Date.parse(text);

describe("value ticks", () => {
  it("cover the values with round numbers and at most the asked intervals", () => {
    expect(valueTicks(0.07, 1.95)).toEqual([0, 0.5, 1, 1.5, 2]);
    expect(valueTicks(0, 12.1)).toEqual([0, 5, 10, 15]);
    for (const high of [0.0007, 0.3, 1, 9.99, 47, 101, 5_000, 123_456_789]) {
      const ticks = valueTicks(0, high);
      expect(ticks[0]).toBe(0);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(high);
      expect(ticks.length).toBeLessThanOrEqual(5);
    }
  });

  it("go below zero when values do", () => {
    const ticks = valueTicks(-30, 80);
    expect(ticks[0]).toBeLessThanOrEqual(-30);
    expect(ticks).toContain(0);
    // 2.5 would be round enough, but takes five intervals once both ends are whole steps.
    expect(valueTicks(-1, 9)).toEqual([-5, 0, 5, 10]);
  });

  it("exist without any value", () => {
    expect(valueTicks(0, 0)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(valueTicks(Infinity, -Infinity)).toHaveLength(5);
  });

  it("are whole numbers for counts", () => {
    expect(countTicks(0)).toEqual([0, 1]);
    expect(countTicks(3)).toEqual([0, 2, 4]);
    expect(countTicks(358)).toEqual([0, 200, 400]);
  });
});

it("niceStep is never below what was asked", () => {
  for (const raw of [0.0003, 0.9, 1, 1.1, 2.3, 4, 7, 99, 1e9]) expect(niceStep(raw)).toBeGreaterThanOrEqual(raw);
  expect(niceStep(0)).toBe(1);
});

it("percent places the ends at 0 and 100, and an empty range at 0", () => {
  expect(percent(5, { from: 0, to: 10 })).toBe(50);
  expect(percent(5, { from: 5, to: 5 })).toBe(0);
});

describe("time ticks", () => {
  it("stand at round times", () => {
    const ticks = timeTicks({ from: at("2026-11-23T09:00:00Z"), to: at("2026-11-23T09:30:00Z") }, "utc");
    expect(ticks.map((tick) => tick.label)).toEqual(["09:00", "09:05", "09:10", "09:15", "09:20", "09:25", "09:30"]);
  });

  it("start inside a range that does not start at a round time", () => {
    const [first] = timeTicks({ from: at("2026-11-23T09:03:20Z"), to: at("2026-11-23T09:33:20Z") }, "utc");
    expect(first?.label).toBe("09:05");
  });

  it("name the day where a long range crosses midnight", () => {
    const labels = timeTicks({ from: at("2026-11-22T20:00:00Z"), to: at("2026-11-23T08:00:00Z") }, "utc").map((tick) => tick.label);
    expect(labels).toContain("Mon 23");
    expect(labels).toContain("22:00");
  });

  it("show seconds and milliseconds when the step is that fine", () => {
    expect(timeLabel(at("2026-11-23T09:00:07Z"), 1000, "utc")).toBe("09:00:07");
    expect(timeLabel(at("2026-11-23T09:00:07.250Z"), 10, "utc")).toBe("09:00:07.250");
  });

  it("are never more than asked", () => {
    for (const hours of [0.001, 0.1, 1, 5, 30, 24 * 9, 24 * 90]) {
      expect(timeTicks({ from: 0, to: hours * 3_600_000 }, "utc").length).toBeLessThanOrEqual(8);
    }
    expect(timeTicks({ from: 5, to: 5 }, "utc")).toEqual([]);
  });
});

it("a query's step leaves at most a point per four pixels", () => {
  expect(queryStep(1800, 480)).toBe(15);
  for (const range of [60, 1800, 86_400, 30 * 86_400]) expect(range / queryStep(range, 1000)).toBeLessThanOrEqual(250);
});
