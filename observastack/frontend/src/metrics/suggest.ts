/** What to show of a metric that somebody picked, and what to open the page with. */
import type { Built } from "./promql";

/** Names as the builder takes them: the parts of a histogram are one. */
export function pickable(names: readonly string[]): string[] {
  const buckets = new Set(names.filter((name) => name.endsWith("_bucket")).map((name) => name.slice(0, -"_bucket".length)));
  const kept = names.filter((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    return base === name || !buckets.has(base);
  });
  return [...new Set([...kept, ...buckets])].sort();
}

/** The usual question to a metric: the p95 of a histogram, the rate of a counter, the average of anything else. */
export function questionTo(metric: string, names: readonly string[]): Built {
  const base: Built = { metric, reduction: "avg", by: ["service"], window: "5m", filters: [] };
  if (names.includes(`${metric}_bucket`)) return { ...base, reduction: "p95" };
  // Without its type, a counter is known by its name only: OpenMetrics' suffixes, and OpenTelemetry's usual last words.
  return /(_(total|count|sum)|\.(time|count|requests|io|errors|faults|switches))$/.test(metric) ? { ...base, reduction: "rate" } : base;
}

/** The metric that says most about services: a duration's histogram, then requests, then whatever there is. */
export function firstMetric(names: readonly string[]): string | null {
  const all = pickable(names);
  const histogram = all.filter((name) => names.includes(`${name}_bucket`));
  return histogram.find((name) => /duration|latency|seconds/.test(name)) ?? histogram[0]
    ?? all.find((name) => /request.*_total$/.test(name)) ?? all.find((name) => name === "process.cpu.time") ?? all.find((name) => name.endsWith("_total")) ?? all[0] ?? null;
}
