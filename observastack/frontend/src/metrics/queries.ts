/** PromQL over a range, as series that a chart can draw. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api } from "../app/api";
import type { Point, Series } from "../charts";
import { registerServices, seriesColour, serviceColour } from "../components";
import { summary } from "../charts/decimate";
import type { PromNames, PromResult, PromSeries, Trend } from "../types";

export interface Window {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  step_s: number;
}

/** Both ends on multiples of the step: a reload a second later asks for the same points, and lines do not flicker. */
export function aligned(from: number, to: number, step_s: number): Window {
  const step = step_s * 1000;
  return { from: Math.floor(from / step) * step, to: Math.floor(to / step) * step, step_s };
}

function numberOf(text: string): number | null {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

const SERVICE = ["service", "service_name", "service.name"];

/** What tells a series from the others; a single label needs no name. */
export function seriesLabel(metric: Readonly<Record<string, string>>): string {
  const { __name__: name, ...labels } = metric;
  const entries = Object.entries(labels);
  if (entries.length === 0) return name ?? "value";
  const [only] = entries;
  if (entries.length === 1 && only) return only[1] || "(empty)";
  return entries.map(([label, value]) => `${label}=${value}`).join(" ");
}

function serviceOf(metric: Readonly<Record<string, string>>): string | null {
  for (const label of SERVICE) if (metric[label]) return metric[label];
  return null;
}

/** Series of an answer, highest first. Those of one service each have its colour, others take colours in turn. */
export function seriesOf(result: readonly PromSeries[]): Series[] {
  const read = result.map(({ metric, values }) => {
    const points = (values ?? []).map(([t, text]): Point => [t * 1000, numberOf(text)]);
    return { id: JSON.stringify(metric), label: seriesLabel(metric), service: serviceOf(metric), points, top: summary(points).max ?? -Infinity };
  }).sort((a, b) => b.top - a.top || a.label.localeCompare(b.label));
  const services = read.map(({ service }) => service);
  const byService = services.every((service) => service !== null) && new Set(services).size === services.length;
  if (byService) registerServices(services.filter((service) => service !== null));
  return read.map(({ id, label, service, points }, index) => ({
    id, label, points, colour: byService && service ? serviceColour(service) : seriesColour(index),
  }));
}

export function useRangeQuery(expression: string, { from, to, step_s }: Window, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "range", expression, from, to, step_s],
    queryFn: async ({ signal }) => {
      const answer = await api.post<PromResult>("/metrics/query_range", { query: expression, start: from / 1000, end: to / 1000, step: step_s }, { signal });
      return seriesOf(answer.data.result);
    },
    enabled: enabled && expression.trim() !== "",
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

/** All values of a label; `__name__` for the names of metrics. */
export function useLabelValues(label: string, enabled = true) {
  return useQuery({
    queryKey: ["metrics", "values", label],
    queryFn: async ({ signal }) => (await api.get<PromNames>(`/metrics/labels/${encodeURIComponent(label)}/values`, {}, { signal })).data,
    enabled: enabled && label !== "",
    staleTime: 60_000,
  });
}

export function useLabelNames() {
  return useQuery({
    queryKey: ["metrics", "labels"],
    queryFn: async ({ signal }) => (await api.get<PromNames>("/metrics/labels", {}, { signal })).data,
    staleTime: 60_000,
  });
}

export function useTrend(expression: string, { from, to, step_s }: Window, enabled: boolean) {
  return useQuery({
    queryKey: ["insights", "trend", expression, from, to, step_s],
    queryFn: ({ signal }) => api.post<Trend>("/insights/trend-analysis", {
      query: expression, time_range: { from: new Date(from).toISOString(), to: new Date(to).toISOString() }, step_s,
    }, { signal }),
    enabled: enabled && expression.trim() !== "",
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}
