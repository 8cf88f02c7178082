import { expect, it } from "vitest";

import { between, borderAt, bucketTotal, fromWire, merge, selectedTotal, type Bucket } from "./buckets";
import { stack } from "./stack";

const buckets: Bucket[] = [1, 2, 3, 4, 5].map((count, index) => ({ t: 1000 + index * 100, counts: { error: count, info: 10 } }));

it("nanoseconds of the wire become milliseconds without losing any", () => {
  expect(fromWire([{ time_unix_nano: "1764000000123456789", counts: { error: 1 } }])[0]?.t).toBe(1_764_000_000_123);
});

it("merging neighbours keeps every count", () => {
  const merged = merge(buckets, 2);
  expect(merged.map((bucket) => bucket.t)).toEqual([1000, 1200, 1400]);
  expect(merged.reduce((sum, bucket) => sum + bucketTotal(bucket), 0)).toBe(65);
});

it("a selection counts the buckets it touches", () => {
  expect(selectedTotal(buckets, 100, { from: 1100, to: 1300 })).toBe(25);
});

it("a selection has at least one bucket, stays inside and may be dragged backwards", () => {
  expect(between(buckets, 100, 3, 1)).toEqual({ from: 1100, to: 1300 });
  expect(between(buckets, 100, 2, 2)).toEqual({ from: 1200, to: 1300 });
  expect(between(buckets, 100, 5, 9)).toEqual({ from: 1400, to: 1500 });
  expect(between(buckets, 100, -4, 1)).toEqual({ from: 1000, to: 1100 });
});

it("a time finds its border", () => {
  expect(borderAt(buckets, 100, 1149)).toBe(1);
  expect(borderAt(buckets, 100, 9999)).toBe(5);
  expect(borderAt(buckets, 100, 0)).toBe(0);
});

it("stacking puts each series on those before it, also where one has no value", () => {
  const [below, above] = stack([[[0, 1], [1, 2]], [[0, 10], [1, null], [2, 30]]]);
  expect(below?.high).toEqual([[0, 1], [1, 2], [2, 0]]);
  expect(above?.low).toEqual([[0, 1], [1, 2], [2, 0]]);
  expect(above?.high).toEqual([[0, 11], [1, 2], [2, 30]]);
});
