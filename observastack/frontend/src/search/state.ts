/** The whole state of the search view, in the address bar. */
import { fixed, last, type Range, resolve, secondsBack, type Span } from "../time/range";
import type { Filter, SearchQuery, Signal, SignalType } from "../types";
import { decodeFilter, encodeFilter } from "./filters";

export interface SearchState {
  text: string;
  filters: Filter[];
  type: SignalType;
  range: Range;
  /** The brush on the histogram: narrows the list. */
  selection: Span | null;
  /** "source:id" of the open line. */
  open: string | null;
  live: boolean;
}

export const SIGNALS: readonly Signal[] = ["logs", "metrics", "traces"];
export const SIGNAL_TYPES: readonly SignalType[] = ["all", ...SIGNALS];

/** What the address says; parts that cannot be read are as if they were not there. */
export function readState(parameters: URLSearchParams, defaultRangeS: number): SearchState {
  const type = parameters.get("type") as SignalType;
  const [from, to] = [bound(parameters.get("from")), bound(parameters.get("to"))];
  return {
    text: parameters.get("q") ?? "",
    filters: parameters.getAll("f").flatMap((text) => decodeFilter(text) ?? []),
    type: SIGNAL_TYPES.includes(type) ? type : "all",
    range: from === null ? last(defaultRangeS) : { from, to: to ?? "now" },
    selection: readSelection(parameters.get("sel")),
    open: parameters.get("open"),
    live: parameters.get("live") === "1",
  };
}

/** Only what differs from the default, so that addresses stay short. */
export function writeState(state: SearchState): URLSearchParams {
  const parameters = new URLSearchParams();
  if (state.text) parameters.set("q", state.text);
  for (const filter of state.filters) parameters.append("f", encodeFilter(filter));
  if (state.type !== "all") parameters.set("type", state.type);
  parameters.set("from", state.range.from);
  parameters.set("to", state.range.to);
  if (state.selection) {
    parameters.set("sel", `${new Date(state.selection.from).toISOString()}~${new Date(state.selection.to).toISOString()}`);
  }
  if (state.open) parameters.set("open", state.open);
  if (state.live) parameters.set("live", "1");
  return parameters;
}

/** The same view for somebody else, later: absolute times, nothing that moves. */
export function forSharing(state: SearchState, now: number): SearchState {
  return { ...state, range: fixed(resolve(state.range, now)), live: false };
}

/** What to ask the API for the list. */
export function queryOf(state: SearchState, span: Span, limit: number): SearchQuery {
  const query: SearchQuery = {
    type: state.type,
    time_range: wireRange(state.selection ?? span),
    limit,
  };
  if (state.text.trim()) query.free_text = state.text.trim();
  if (state.filters.length > 0) query.filters = state.filters;
  return query;
}

export function wireRange(span: Span): { from: string; to: string } {
  return { from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() };
}

/** The state of a query that was asked before (history). */
export function stateOf(query: SearchQuery, defaultRangeS: number): SearchState {
  const range = query.time_range;
  return {
    text: query.free_text ?? "",
    filters: query.filters ?? [],
    type: query.type,
    range: range ? { from: moment(range.from), to: moment(range.to) } : last(defaultRangeS),
    selection: null,
    open: null,
    live: false,
  };
}

/** The API also keeps times as nanoseconds in a text. */
function moment(text: string): string {
  return /^\d{16,}$/.test(text) ? new Date(Number(BigInt(text) / 1_000_000n)).toISOString() : text;
}

function bound(text: string | null): string | null {
  if (text === null) return null;
  return secondsBack(text) !== null || !Number.isNaN(Date.parse(text)) ? text : null;
}

function readSelection(text: string | null): Span | null {
  const [from, to] = (text ?? "").split("~").map((part) => Date.parse(part));
  if (from === undefined || to === undefined || Number.isNaN(from) || Number.isNaN(to) || to <= from) return null;
  return { from, to };
}
