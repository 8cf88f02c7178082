/** What the search view asks for: pages of results, counts over time, counts of facets. */
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";

import { api } from "../../app/api";
import { isStatus } from "../../app/errors";
import { useCapabilities } from "../../app/session";
import { answered, reportSources } from "../../app/sources";
import { askPage, askStream } from "../../search/ask";
import { isChoice } from "../../search/filters";
import { type LoadedPage, shownItems } from "../../search/pages";
import { queryOf, type SearchState, wireRange } from "../../search/state";
import type { Span } from "../../time/range";
import type { Aggregate, Item, SearchQuery, SearchResult, Signal, SignalType, Sources, SourceStatus } from "../../types";

export const FIRST_PAGE = 100;
const LARGEST_PAGE = 1_000;
const BUCKETS = 60;
/** Counts are asked again so often while live tail runs, in milliseconds. */
export const LIVE_COUNTS_MS = 5_000;

export interface Results {
  items: Item[];
  sources: Sources;
  latencyMs: number | null;
  error: unknown;
  /** The first page is on its way. */
  loading: boolean;
  /** `items` are those of the query before. */
  stale: boolean;
  cancelled: boolean;
  /** Sources that have answered so far. */
  progress: Sources;
  more: { size: number; loading: boolean; load: () => void } | null;
  cancel: () => void;
  retry: () => void;
}

/** The pages of a query. run: counts up with every press of Run. */
export function useResults(state: SearchState, span: Span, run: number, on: boolean): Results {
  const client = useQueryClient();
  const streams = useCapabilities()?.capabilities.includes("search.stream") ?? false;
  const [progress, setProgress] = useState<Sources>({});
  const [cancelledKey, setCancelledKey] = useState<string | null>(null);
  const query = queryOf(state, span, FIRST_PAGE);
  const key = ["search", JSON.stringify(query), run];
  const pages = useInfiniteQuery({
    queryKey: key,
    queryFn: async ({ pageParam, signal }): Promise<LoadedPage> => {
      if (pageParam !== null) return { ...(await askPage({ ...query, ...pageParam }, signal)), perSource: null };
      setProgress({});
      if (!streams) return { ...(await askPage(query, signal)), perSource: null };
      const note = (source: Signal, status: SourceStatus) => setProgress((old) => ({ ...old, [source]: status }));
      return { ...(await askStream(query, signal, note)), perSource: FIRST_PAGE };
    },
    initialPageParam: null as { cursor: string; limit: number } | null,
    getNextPageParam: (page, all) => {
      return page.next_cursor === null ? null : { cursor: page.next_cursor, limit: nextSize(shownItems(all).length) };
    },
    enabled: on,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
  const data = useLastKnown(pages.data, pages.error);
  const items = useMemo(() => shownItems(data?.pages ?? []), [data]);
  const first = data?.pages[0];
  const name = key.join("\n");
  const cancel = useCallback(() => {
    setCancelledKey(name);
    void client.cancelQueries({ queryKey: ["search"] });
  }, [client, name]);
  const fetchNext = pages.fetchNextPage;
  return {
    items,
    sources: useMemo(() => sumSources(data?.pages ?? []), [data]),
    latencyMs: first?.stats.latency_ms ?? null,
    error: isStatus(pages.error, 401) ? null : pages.error,
    loading: pages.isFetching && !pages.isFetchingNextPage,
    stale: pages.isPlaceholderData,
    cancelled: cancelledKey === name && !pages.isFetching && (pages.isPlaceholderData || data === undefined),
    progress,
    more: pages.hasNextPage
      ? { size: nextSize(items.length), loading: pages.isFetchingNextPage, load: () => void fetchNext() }
      : null,
    cancel,
    retry: () => void pages.refetch(),
  };
}

/** Behind the dialog of a session that ended, the page stays as it was. */
function useLastKnown<T>(data: T | undefined, error: unknown): T | undefined {
  const [known, setKnown] = useState(data);
  if (data !== undefined && data !== known) setKnown(data);
  return data ?? (isStatus(error, 401) ? known : undefined);
}

/** Pages grow with what is loaded: a hundred at first, never more than the API gives at once. */
function nextSize(loaded: number): number {
  return Math.max(FIRST_PAGE, Math.min(LARGEST_PAGE, Math.floor(loaded / 100) * 100));
}

/** Of each source the worst status of all pages, and the sum of what it gave. */
function sumSources(pages: readonly SearchResult[]): Sources {
  const sum: Sources = {};
  for (const page of pages) {
    for (const [name, status] of Object.entries(page.stats.sources) as [Signal, SourceStatus][]) {
      const before = sum[name];
      const worse = before === undefined || (answered(before) && !answered(status)) || before.status === "ok";
      sum[name] = { ...(worse ? status : before), count: (before?.count ?? 0) + status.count };
    }
  }
  return sum;
}

export interface Counts {
  data: Aggregate | undefined;
  loading: boolean;
  stale: boolean;
  error: unknown;
}

interface AggregateQuery extends Omit<SearchQuery, "limit"> {
  buckets: number;
  fields?: string[];
}

/** Counts over time of a signal type; every: asked again so often (live), in milliseconds. */
export function useCounts(state: SearchState, type: SignalType, span: Span, run: number, on: boolean, every?: number): Counts {
  const body: AggregateQuery = { ...withoutLimit(queryOf({ ...state, selection: null, type }, span, 1)), buckets: BUCKETS };
  const counts = useQuery({
    queryKey: ["aggregate", every ? withoutRange(body) : JSON.stringify(body), run],
    queryFn: async ({ signal }) => {
      const now = Date.now();
      const moving = every ? { ...body, time_range: wireRange({ from: now - (span.to - span.from), to: now }) } : body;
      const answer = await api.post<Aggregate>("/search/aggregate", moving, { signal });
      if (Object.values(answer.sources).some((status) => status.latency_ms !== undefined)) reportSources(answer.sources);
      return answer;
    },
    enabled: on,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    retry: false,
    ...(every ? { refetchInterval: every } : {}),
  });
  const data = useLastKnown(counts.data, counts.error);
  return { data, loading: counts.isFetching, stale: counts.isPlaceholderData, error: counts.error };
}

/** How often the values of some fields occur. A field's own checked values do not narrow its counts: one could not add a second. */
export function useFacet(state: SearchState, field: string, span: Span, run: number, on: boolean): Record<string, number> | undefined {
  const others = { ...state, filters: state.filters.filter((filter) => filter.field !== field || !isChoice(filter)) };
  const body: AggregateQuery = { ...withoutLimit(queryOf({ ...others, selection: null }, span, 1)), buckets: 1, fields: [field] };
  const facet = useQuery({
    queryKey: ["facet", JSON.stringify(body), run],
    queryFn: ({ signal }) => api.post<Aggregate>("/search/aggregate", body, { signal }),
    enabled: on,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    retry: false,
  });
  return facet.data?.facets[field];
}

function withoutLimit(query: SearchQuery): Omit<SearchQuery, "limit"> {
  const { limit: _, ...rest } = query;
  return rest;
}

function withoutRange(body: AggregateQuery): string {
  const { time_range: _, ...rest } = body;
  return JSON.stringify(rest);
}
