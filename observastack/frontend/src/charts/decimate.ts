/**
 * Fewer points for a line that has more than the screen has columns.
 *
 * Each column keeps its lowest and its highest point, in their order, and the gaps: a mean alone would hide the peak
 * that somebody is looking for.
 */

/** Unix milliseconds and a value; `null` where the store has none. */
export type Point = readonly [t: number, value: number | null];

export const MOST_POINTS = 500;

/** Runs of neighbours without a gap: no `null`, and never further apart than 1.5 steps (`step_ms` 0: unknown). */
export function runs(points: readonly Point[], step_ms = 0): [number, number][][] {
  const all: [number, number][][] = [];
  let run: [number, number][] = [];
  for (const [t, value] of points) {
    const before = run[run.length - 1];
    const gap = value === null || !Number.isFinite(value) || (before !== undefined && step_ms > 0 && t - before[0] > 1.5 * step_ms);
    if (gap && run.length > 0) {
      all.push(run);
      run = [];
    }
    if (value !== null && Number.isFinite(value)) run.push([t, value]);
  }
  if (run.length > 0) all.push(run);
  return all;
}

/** At most about `most` points of a run, minimum and maximum of each column. First and last stay. */
export function decimate(run: readonly [number, number][], most = MOST_POINTS): [number, number][] {
  if (run.length <= most) return [...run];
  const columns = Math.max(1, Math.floor((most - 2) / 2));
  const inner = run.slice(1, -1);
  const kept = run.slice(0, 1);
  for (let column = 0; column < columns; column += 1) {
    const start = Math.floor((column * inner.length) / columns);
    const part = inner.slice(start, Math.floor(((column + 1) * inner.length) / columns));
    let low = part[0];
    let high = part[0];
    for (const point of part) {
      if (!low || point[1] < low[1]) low = point;
      if (!high || point[1] > high[1]) high = point;
    }
    if (!low || !high) continue;
    kept.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
  }
  return [...kept, ...run.slice(-1)];
}

export interface Summary {
  min: number | null;
  mean: number | null;
  max: number | null;
  last: number | null;
  maxAt: number | null;
}

/** What the table beside a chart shows of a series. */
export function summary(points: readonly Point[]): Summary {
  let min: number | null = null;
  let max: number | null = null;
  let last: number | null = null;
  let maxAt: number | null = null;
  let sum = 0;
  let count = 0;
  for (const [t, value] of points) {
    if (value === null || !Number.isFinite(value)) continue;
    if (min === null || value < min) min = value;
    if (max === null || value > max) [max, maxAt] = [value, t];
    last = value;
    sum += value;
    count += 1;
  }
  return { min, mean: count === 0 ? null : sum / count, max, last, maxAt };
}

/** The value at the point nearest to a time, not further than `reach_ms`. */
export function nearest(points: readonly Point[], t: number, reach_ms: number): Point | null {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.[0] ?? t) < t) low = middle + 1;
    else high = middle;
  }
  const after = points[low];
  const before = points[low - 1];
  const best = before && (!after || Math.abs(before[0] - t) <= Math.abs(after[0] - t)) ? before : after;
  return best && Math.abs(best[0] - t) <= reach_ms ? best : null;
}
