/** Series on top of one another. */
import type { Point } from "./decimate";

export interface Layer {
  low: Point[];
  high: Point[];
}

/** Each series on the sum of those before it, over all times that any of them has; a missing value adds nothing. */
export function stack(all: readonly (readonly Point[])[]): Layer[] {
  const times = [...new Set(all.flatMap((points) => points.map(([t]) => t)))].sort((a, b) => a - b);
  const sums = new Map(times.map((t) => [t, 0]));
  return all.map((points) => {
    const values = new Map(points);
    const low: Point[] = times.map((t) => [t, sums.get(t) ?? 0]);
    for (const t of times) {
      const value = values.get(t);
      if (value !== null && value !== undefined && Number.isFinite(value)) sums.set(t, (sums.get(t) ?? 0) + value);
    }
    return { low, high: times.map((t) => [t, sums.get(t) ?? 0]) };
  });
}
