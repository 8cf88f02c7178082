import { describe, expect, it } from "vitest";

import { decimate, MOST_POINTS, nearest, runs, summary, type Point } from "./decimate";

const line = (length: number, value: (index: number) => number): [number, number][] =>
  Array.from({ length }, (_, index) => [index * 1000, value(index)]);

describe("decimation", () => {
  it("leaves a short line as it is", () => {
    const short = line(MOST_POINTS, (index) => index);
    expect(decimate(short)).toEqual(short);
  });

  it("keeps the one peak and the one dip among ten thousand points", () => {
    const long = line(10_000, (index) => (index === 7_123 ? 99 : index === 2_345 ? -99 : Math.sin(index)));
    const kept = decimate(long);
    expect(kept.length).toBeLessThanOrEqual(MOST_POINTS);
    expect(kept).toContainEqual([7_123_000, 99]);
    expect(kept).toContainEqual([2_345_000, -99]);
  });

  it("keeps both ends and the order of time", () => {
    const long = line(5_000, (index) => (index * 7919) % 104);
    const kept = decimate(long);
    expect(kept[0]).toEqual(long[0]);
    expect(kept.at(-1)).toEqual(long.at(-1));
    expect(kept.map(([t]) => t)).toEqual(kept.map(([t]) => t).toSorted((a, b) => a - b));
    expect(new Set(kept.map(([t]) => t)).size).toBe(kept.length);
  });
});

describe("gaps", () => {
  it("split a line where a value is missing, is not a number, or comes too late", () => {
    const points: Point[] = [[0, 1], [15, 2], [30, null], [45, 3], [60, NaN], [75, 4], [90, 5], [150, 6]];
    expect(runs(points, 15)).toEqual([[[0, 1], [15, 2]], [[45, 3]], [[75, 4], [90, 5]], [[150, 6]]]);
  });

  it("are not guessed when the step is unknown", () => {
    expect(runs([[0, 1], [1_000_000, 2]])).toEqual([[[0, 1], [1_000_000, 2]]]);
  });
});

it("a summary ignores what is missing and knows when the maximum was", () => {
  expect(summary([[0, 2], [1, null], [2, 8], [3, 5]])).toEqual({ min: 2, mean: 5, max: 8, last: 5, maxAt: 2 });
  expect(summary([[0, null]])).toEqual({ min: null, mean: null, max: null, last: null, maxAt: null });
});

it("the nearest point is not one out of reach", () => {
  const points: Point[] = [[0, 1], [10, 2], [20, 3]];
  expect(nearest(points, 12, 5)).toEqual([10, 2]);
  expect(nearest(points, 16, 5)).toEqual([20, 3]);
  expect(nearest(points, 31, 5)).toBeNull();
  expect(nearest([], 3, 5)).toBeNull();
});
