import { describe, expect, it } from "vitest";

import { offsetsOf, rowAt, sliceOf } from "./window";

describe("windowing", () => {
  const even = offsetsOf(10_000, 28, () => undefined);

  it("draws what is in sight and twenty more on each side", () => {
    expect(sliceOf(even, 28_000, 28_900, 20)).toEqual({ first: 980, end: 1053, before: 27_440, after: 250_516 });
  });

  it("never loses height", () => {
    for (const top of [-500, 0, 13, 100_000, 279_990, 400_000]) {
      const { first, end, before, after } = sliceOf(even, top, top + 900, 20);
      expect(before + (end - first) * 28 + after).toBe(280_000);
      expect(end).toBeGreaterThan(first);
    }
  });

  it("counts rows that were measured", () => {
    const offsets = offsetsOf(5, 28, (index) => (index === 1 ? 400 : undefined));
    expect([...offsets]).toEqual([0, 28, 428, 456, 484, 512]);
    expect([0, 27, 28, 427, 428, 999].map((height) => rowAt(offsets, height))).toEqual([0, 0, 1, 1, 2, 4]);
  });

  it("of nothing is nothing", () => {
    expect(sliceOf(offsetsOf(0, 28, () => undefined), 0, 900, 20)).toEqual({ first: 0, end: 0, before: 0, after: 0 });
  });
});
