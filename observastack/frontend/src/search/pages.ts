/**
 * Pages of several sources as one list, newest first.
 *
 * The stream sends up to `limit` items of each source: a quiet source then reaches further back than a busy one. What
 * lies beyond the point that every source has reached waits, or the list would have holes that later pages fill.
 */
import type { Item, SearchResult, Signal, SourceStatus } from "../types";
import { inOrder } from "./ask";

export interface LoadedPage extends SearchResult {
  /** How many items of each source were asked for, when sources answered one by one; null for a page in order. */
  perSource: number | null;
}

/** Items down to the point up to which nothing can be missing. */
export function shownItems(pages: readonly LoadedPage[]): Item[] {
  const last = pages.at(-1);
  if (last === undefined) return [];
  const all = pages.length === 1 ? last.items : pages.flatMap((page) => page.items);
  const edge = edgeOf(last);
  if (edge === null && pages.length === 1) return all;
  const ordered = pages.some((page) => page.perSource !== null) ? inOrder(all, true) : all;
  return edge === null ? ordered : ordered.filter((item) => BigInt(item.time_unix_nano) >= edge);
}

/** Nanoseconds since 1970 down to which every source is known; null when all of the range is. */
function edgeOf(page: LoadedPage): bigint | null {
  if (page.next_cursor === null) return null;
  const { perSource } = page;
  if (perSource === null) return oldest(page.items);
  let edge: bigint | null = null;
  for (const [name, status] of Object.entries(page.stats.sources) as [Signal, SourceStatus][]) {
    if (status.status === "ok" && status.count < perSource) continue;
    const reached = oldest(page.items.filter((item) => item.source === name));
    if (reached !== null && (edge === null || reached > edge)) edge = reached;
  }
  return edge;
}

function oldest(items: readonly Item[]): bigint | null {
  return items.reduce<bigint | null>((least, item) => {
    const at = BigInt(item.time_unix_nano);
    return least === null || at < least ? at : least;
  }, null);
}
