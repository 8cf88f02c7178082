/** Live tail for a component: connection, buffer, pace. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { auth } from "../app/auth";
import { keepLiveStop, takeLiveStop } from "../app/live-stop";
import { chosen, passes } from "../search/filters";
import type { SearchState } from "../search/state";
import type { Filter, Item } from "../types";
import { add, type Buffer, EMPTY, Rate, release } from "./buffer";
import { connect, LiveClient, type LiveStatus } from "./client";

/** Batches are drawn at most so often. */
const PACE_MS = 250;

export interface Live {
  status: LiveStatus;
  buffer: Buffer;
  paused: boolean;
  /** Events per second. */
  rate: number;
  pause: () => void;
  resume: () => void;
  clear: () => void;
  /** The reader is somewhere below: new lines wait. */
  setReading: (reading: boolean) => void;
}

/** What the server can filter itself; the rest is filtered here. */
export function streamParameters(state: Pick<SearchState, "type" | "text" | "filters">): URLSearchParams {
  const parameters = new URLSearchParams({ types: state.type === "all" ? "logs,traces,metrics" : state.type });
  if (state.text.trim()) parameters.set("free_text", state.text.trim());
  for (const field of ["service", "severity"]) {
    const values = chosen(state.filters, field).filter((value) => !value.includes(","));
    if (values.length > 0) parameters.set(field, values.join(","));
  }
  return parameters;
}

export function useLive(state: Pick<SearchState, "type" | "text" | "filters">, on: boolean): Live {
  const [status, setStatus] = useState<LiveStatus>({ kind: "connecting" });
  const [buffer, setBuffer] = useState<Buffer>(EMPTY);
  const [paused, setPaused] = useState(false);
  const [reading, setReadingState] = useState(false);
  const [rate, setRate] = useState(0);
  const held = useRef(false);
  const pausedNow = useRef(false);
  pausedNow.current = paused;
  held.current = paused || reading;
  const parameters = streamParameters(state).toString();
  const filters = useRef<readonly Filter[]>(state.filters);
  filters.current = state.filters;
  // A new query is a new tail; the list of filters itself is a new object with every rendering.
  const query = `${parameters} ${JSON.stringify(state.filters)}`;

  useEffect(() => {
    if (!on) return;
    const pending: Item[] = [];
    let lost = 0;
    const pace = new Rate();
    setBuffer(EMPTY);
    setPaused(false);
    const client = new LiveClient(new URLSearchParams(parameters), takeLiveStop(), {
      onStatus: setStatus,
      onItems: (items, dropped) => {
        const wanted = items.filter((item) => filters.current.every((filter) => passes(item, filter)));
        pending.push(...wanted);
        lost += dropped;
        pace.count(Date.now(), wanted.length);
      },
      onExpired: (cursor) => {
        if (cursor !== null) keepLiveStop(cursor, Date.now());
      },
    }, { connect, session: auth(), now: () => Date.now() });
    client.start();
    const timer = setInterval(() => {
      setRate(pace.perSecond(Date.now()));
      if (pending.length === 0 && lost === 0) return;
      const batch = pending.splice(0);
      const dropped = lost;
      lost = 0;
      setBuffer((old) => add(old, batch, dropped, held.current));
    }, PACE_MS);
    return () => {
      clearInterval(timer);
      client.stop();
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `query` stands for parameters and filters
  }, [on, query]);

  const resume = useCallback(() => {
    setPaused(false);
    setReadingState(false);
    setBuffer(release);
  }, []);
  const setReading = useCallback((now: boolean) => {
    setReadingState(now);
    // Back at the top: what waited comes before anything newer does.
    if (!now) setBuffer((old) => (old.waiting.length > 0 && !pausedNow.current ? release(old) : old));
  }, []);
  const clear = useCallback(() => setBuffer((old) => ({ ...EMPTY, dropped: old.dropped })), []);
  const pause = useCallback(() => setPaused(true), []);
  return useMemo(
    () => ({ status, buffer, paused, rate, pause, resume, clear, setReading }),
    [status, buffer, paused, rate, pause, resume, clear, setReading],
  );
}
