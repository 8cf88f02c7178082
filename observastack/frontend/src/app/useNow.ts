/** The present, for texts such as “14 min ago”: one clock, one tick for all. */
import { useSyncExternalStore } from "react";

const TICK_MS = 15_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  if (Date.now() - now > TICK_MS) now = Date.now();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** Milliseconds since 1970, at most 15 s old. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
