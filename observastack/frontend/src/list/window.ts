/** Which rows of a long list are drawn: pure arithmetic over row heights in CSS pixels. */

/** Start of every row, and the end of the last: n + 1 numbers. */
export function offsetsOf(count: number, estimate: number, heightOf: (index: number) => number | undefined): Float64Array {
  const offsets = new Float64Array(count + 1);
  let at = 0;
  for (let index = 0; index < count; index++) {
    offsets[index] = at;
    at += heightOf(index) ?? estimate;
  }
  offsets[count] = at;
  return offsets;
}

/** The row at a height; the last one beyond the end. */
export function rowAt(offsets: Float64Array, height: number): number {
  let [low, high] = [0, Math.max(0, offsets.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((offsets[middle] ?? 0) <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}

export interface Slice {
  /** First row drawn. */
  first: number;
  /** After the last row drawn. */
  end: number;
  /** Pixels of the rows before and after. */
  before: number;
  after: number;
}

/** Rows that touch top..bottom (relative to the list), and `overscan` more on each side. */
export function sliceOf(offsets: Float64Array, top: number, bottom: number, overscan: number): Slice {
  const count = offsets.length - 1;
  if (count === 0) return { first: 0, end: 0, before: 0, after: 0 };
  const first = Math.max(0, rowAt(offsets, top) - overscan);
  const end = Math.min(count, rowAt(offsets, Math.max(top, bottom)) + 1 + overscan);
  return { first, end, before: offsets[first] ?? 0, after: (offsets[count] ?? 0) - (offsets[end] ?? 0) };
}
