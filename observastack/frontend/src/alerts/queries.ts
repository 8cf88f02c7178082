/** Reading alerts and acting on them. Nothing is shown as done before the server said so. */
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";

import { api, requestId } from "../app/api";
import type { Alert, AlertActionRequest, AlertActionResult, AlertStatistics, Page, Silence } from "../types";

export interface AlertFilters {
  status?: string | undefined;
  severity?: string | undefined;
  service?: string | undefined;
  assignee?: string | undefined;
  q?: string | undefined;
  sort?: "severity" | "-starts_at" | undefined;
}

const PAGE = 50;
const REFRESH_MS = 15_000;

/** The server does not page back: what was loaded stays, and all of it is read again. */
export function useAlerts(filters: AlertFilters, enabled = true) {
  return useInfiniteQuery({
    queryKey: ["alerts", "list", filters],
    queryFn: ({ pageParam, signal }) => api.get<Page<Alert> & { total: number }>("/alerts", { ...filters, limit: PAGE, cursor: pageParam }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useStatistics() {
  return useQuery({
    queryKey: ["alerts", "statistics"],
    queryFn: ({ signal }) => api.get<AlertStatistics>("/alerts/statistics", {}, { signal }),
    refetchInterval: REFRESH_MS,
  });
}

export function useAlert(id: string) {
  return useQuery({
    queryKey: ["alerts", "one", id],
    queryFn: ({ signal }) => api.get<Alert>(`/alerts/${encodeURIComponent(id)}`, {}, { signal }),
    refetchInterval: REFRESH_MS,
  });
}

export function useSilences(state?: Silence["state"]) {
  return useQuery({
    queryKey: ["alerts", "silences", state ?? "all"],
    queryFn: async ({ signal }) => (await api.get<{ items: Silence[] }>("/alerts/silences", { state }, { signal })).items,
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
}

async function refreshAll(client: QueryClient): Promise<void> {
  await client.invalidateQueries({ queryKey: ["alerts"] });
}

export type SingleAction =
  | { action: "acknowledge" | "resolve"; note?: string | undefined }
  | { action: "assign"; assignee: string | null; note?: string | undefined };

/** One action on one alert; the answer is what is shown, also after a refusal: then the alert is read again. */
export function useAct(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ action, ...body }: SingleAction) =>
      api.post<Alert>(`/alerts/${encodeURIComponent(id)}/${action}`, body, { idempotencyKey: requestId() }),
    onSuccess: (alert) => client.setQueryData(["alerts", "one", id], alert),
    onSettled: () => refreshAll(client),
  });
}

export function useBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (request: AlertActionRequest) => api.post<AlertActionResult>("/alerts/actions", request, { idempotencyKey: requestId() }),
    onSettled: () => refreshAll(client),
  });
}

export interface SilenceDraft {
  matchers: Silence["matchers"];
  ends_at: string;
  comment: string;
}

/** Makes a silence, or changes the one with that id. */
export function useSaveSilence() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, draft }: { id: string | null; draft: SilenceDraft }) => id === null
      ? api.post<Silence>("/alerts/silences", draft, { idempotencyKey: requestId() })
      : api.put<Silence>(`/alerts/silences/${encodeURIComponent(id)}`, draft),
    onSettled: () => refreshAll(client),
  });
}

export function useExpireSilence() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.del(`/alerts/silences/${encodeURIComponent(id)}`),
    onSettled: () => refreshAll(client),
  });
}
