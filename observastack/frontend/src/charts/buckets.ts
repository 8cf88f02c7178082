/** Buckets of a histogram over time, and the selection on them. */

export interface Bucket {
  /** Start, Unix milliseconds. */
  t: number;
  counts: Readonly<Record<string, number>>;
}

/** Times in Unix milliseconds; the end is not included. */
export interface TimeSelection {
  from: number;
  to: number;
}

/** Buckets of the wire (`POST /search/aggregate`). */
export function fromWire(buckets: readonly { time_unix_nano: string; counts: Record<string, number> }[]): Bucket[] {
  return buckets.map(({ time_unix_nano, counts }) => ({ t: Number(BigInt(time_unix_nano) / 1_000_000n), counts }));
}

export function bucketTotal(bucket: Bucket): number {
  let sum = 0;
  for (const count of Object.values(bucket.counts)) sum += count;
  return sum;
}

/** `factor` neighbours become one; for phones. */
export function merge(buckets: readonly Bucket[], factor: number): Bucket[] {
  const merged: Bucket[] = [];
  for (let at = 0; at < buckets.length; at += factor) {
    const counts: Record<string, number> = {};
    for (const bucket of buckets.slice(at, at + factor)) {
      for (const [key, count] of Object.entries(bucket.counts)) counts[key] = (counts[key] ?? 0) + count;
    }
    merged.push({ t: buckets[at]?.t ?? 0, counts });
  }
  return merged;
}

/** Matches inside the selection, from the buckets it touches. */
export function selectedTotal(buckets: readonly Bucket[], step_ms: number, { from, to }: TimeSelection): number {
  return buckets.filter(({ t }) => t < to && t + step_ms > from).reduce((sum, bucket) => sum + bucketTotal(bucket), 0);
}

/** The border (0…n) next to a time. */
export function borderAt(buckets: readonly Bucket[], step_ms: number, t: number): number {
  const first = buckets[0]?.t ?? 0;
  return Math.max(0, Math.min(buckets.length, Math.round((t - first) / step_ms)));
}

/** A selection between two borders, at least one bucket wide, in either order. */
export function between(buckets: readonly Bucket[], step_ms: number, a: number, b: number): TimeSelection {
  const first = buckets[0]?.t ?? 0;
  const low = Math.max(0, Math.min(a, b, buckets.length - 1));
  const high = Math.min(buckets.length, Math.max(a, b, low + 1));
  return { from: first + low * step_ms, to: first + high * step_ms };
}
