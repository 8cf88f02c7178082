/** The last answer of each signal source, for the sidebar: what searches saw, not a probe of its own. */
import { useSyncExternalStore } from "react";

import type { Signal, Sources, SourceStatus } from "../types";

let known: Sources = {};
const listeners = new Set<() => void>();

export const SIGNALS: readonly Signal[] = ["logs", "traces", "metrics"];

export function reportSources(sources: Sources): void {
  known = { ...known, ...sources };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSources(): Sources {
  return useSyncExternalStore(subscribe, () => known);
}

export function answered(status: SourceStatus): boolean {
  return status.status === "ok" || status.status === "partial";
}

export function isSlow(status: SourceStatus): boolean {
  return status.status === "partial" || (status.latency_ms ?? 0) > 1_000;
}
