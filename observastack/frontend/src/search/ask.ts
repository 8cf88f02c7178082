/** Asking for a page of results, with word of each source as it answers. */
import { api } from "../app/api";
import { ApiError } from "../app/errors";
import { reportSources } from "../app/sources";
import type { ErrorEnvelope, Item, SearchQuery, SearchResult, Signal, SourceStatus } from "../types";
import { eventsOf } from "./events";

export type Progress = (source: Signal, status: SourceStatus) => void;

/** Raises ApiError. */
export async function askStream(query: SearchQuery, signal: AbortSignal, onProgress: Progress): Promise<SearchResult> {
  const answer = await api.send("POST", "/search/stream", query, { signal });
  const items: Item[] = [];
  let result: SearchResult | null = null;
  for await (const event of eventsOf(answer)) {
    const data = JSON.parse(event.data) as unknown;
    if (event.name === "source") {
      const status = data as SourceStatus;
      if (status.name) onProgress(status.name, status);
    } else if (event.name === "items") {
      items.push(...(data as { items: Item[] }).items);
    } else if (event.name === "error") {
      const { error } = data as ErrorEnvelope;
      throw new ApiError(503, error.code, error.message, error.request_id, error.details);
    } else if (event.name === "end") {
      const end = data as Omit<SearchResult, "items">;
      reportSources(end.stats.sources);
      result = { ...end, items: inOrder(items, query.sort_order !== "asc") };
    }
  }
  if (result !== null) return result;
  throw new ApiError(0, "cut_short", "the answer ended before it was complete");
}

/** Raises ApiError. */
export async function askPage(query: SearchQuery, signal: AbortSignal): Promise<SearchResult> {
  const result = await api.post<SearchResult>("/search", query, { signal });
  reportSources(result.stats.sources);
  return result;
}

/** Sources answer one by one; the list is one, newest first. */
export function inOrder(items: readonly Item[], newestFirst: boolean): Item[] {
  const sign = newestFirst ? -1 : 1;
  return items
    .map((item) => ({ item, time: BigInt(item.time_unix_nano), id: BigInt(/^-?\d+$/.test(item.id) ? item.id : 0) }))
    .sort((one, other) => {
      if (one.time !== other.time) return one.time < other.time ? -sign : sign;
      return one.id === other.id ? 0 : one.id < other.id ? -sign : sign;
    })
    .map(({ item }) => item);
}
