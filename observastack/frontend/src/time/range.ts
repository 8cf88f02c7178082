/** Time ranges as people write them, and as the address bar keeps them. */
import { clock, clockSeconds, day, dayAndClock, moment, type Zone, zoneName } from "./clock";

/** Each bound is "now", "now-30m" or an RFC 3339 moment: what the address bar holds. */
export interface Range {
  from: string;
  to: string;
}

/** Milliseconds since 1970; `from` is inside, `to` outside. */
export interface Span {
  from: number;
  to: number;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const RELATIVE = /^now(?:\s*-\s*(\d{1,6})\s*([smhdw]))?$/;
const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/;
const DAY_AND_CLOCK = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$/;

export const QUICK: readonly { label: string; short: string; seconds: number }[] = [
  { label: "Last 5 minutes", short: "5m", seconds: 300 },
  { label: "Last 15 minutes", short: "15m", seconds: 900 },
  { label: "Last 30 minutes", short: "30m", seconds: 1800 },
  { label: "Last 3 hours", short: "3h", seconds: 10_800 },
  { label: "Last 24 hours", short: "1d", seconds: 86_400 },
  { label: "Last 7 days", short: "7d", seconds: 604_800 },
];

/** The range that ends now. Its bound has the largest unit that fits: now-30m, now-1d. */
export function last(seconds: number): Range {
  for (const [unit, size] of [["d", 86_400], ["h", 3600], ["m", 60]] as const) {
    if (seconds >= size && seconds % size === 0) return { from: `now-${seconds / size}${unit}`, to: "now" };
  }
  return { from: `now-${seconds}s`, to: "now" };
}

/** Seconds before now; null for a moment that stands still. */
export function secondsBack(bound: string): number | null {
  const match = RELATIVE.exec(bound);
  if (match === null) return null;
  return match[1] === undefined ? 0 : Number(match[1]) * (UNITS[match[2] ?? "s"] ?? 1);
}

/** The length of a range that ends now; null for others. */
export function lastSeconds(range: Range): number | null {
  return secondsBack(range.to) === 0 ? secondsBack(range.from) : null;
}

/** A bound from what was typed: canonical, or null when it cannot be read. A bare clock means today. */
export function parseBound(text: string, now: number, zone: Zone): string | null {
  const typed = text.trim();
  const relative = RELATIVE.exec(typed.toLowerCase());
  if (relative) return relative[1] === undefined ? "now" : `now-${Number(relative[1])}${relative[2]}`;
  const time = CLOCK.exec(typed);
  if (time) return at(`${day(now, zone)} ${typed}`, zone);
  if (DAY_AND_CLOCK.test(typed)) return at(typed, zone);
  if (!/^\d{4}-\d{2}-\d{2}T.+(Z|[+-]\d{2}:?\d{2})$/i.test(typed)) return null;
  const ms = Date.parse(typed);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

function at(text: string, zone: Zone): string | null {
  const match = DAY_AND_CLOCK.exec(text);
  if (match === null) return null;
  const [year, month, dayOfMonth, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0));
  if (year === undefined || month === undefined || dayOfMonth === undefined) return null;
  const ms = moment(year, month, dayOfMonth, hour ?? 0, minute ?? 0, second ?? 0, zone);
  // 2026-02-30 and 25:00 would roll over to something nobody typed.
  const wanted = `${match[1]}-${match[2]}-${match[3]} ${String(hour).padStart(2, "0")}:${match[5] ?? "00"}:${match[6] ?? "00"}`;
  return Number.isNaN(ms) || dayAndClock(ms, zone) !== wanted ? null : new Date(ms).toISOString();
}

/** Raises RangeError for a bound that is neither. */
export function resolveBound(bound: string, now: number): number {
  const back = secondsBack(bound);
  if (back !== null) return now - back * 1000;
  const ms = Date.parse(bound);
  if (Number.isNaN(ms)) throw new RangeError(`no moment: ${bound}`);
  return ms;
}

export function resolve(range: Range, now: number): Span {
  return { from: resolveBound(range.from, now), to: resolveBound(range.to, now) };
}

export function fixed(span: Span): Range {
  return { from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() };
}

/** One length earlier (-1) or later (+1), never beyond now. */
export function shift(range: Range, direction: -1 | 1, now: number): Range {
  const span = resolve(range, now);
  const length = span.to - span.from;
  const to = Math.min(span.to + direction * length, now);
  if (to === now && lastSeconds(range) !== null) return range;
  return fixed({ from: to - length, to });
}

/** What is wrong with a pair of typed bounds; null when nothing is. */
export function problem(from: string | null, to: string | null, now: number): { field: "from" | "to"; text: string } | null {
  const help = "Write 2026-11-23 09:00:00, 09:00 or now-30m.";
  if (from === null) return { field: "from", text: `This is no time. ${help}` };
  if (to === null) return { field: "to", text: `This is no time. ${help}` };
  const span = resolve({ from, to }, now);
  if (span.to <= span.from) return { field: "to", text: "To must be later than From." };
  return null;
}

/** "30 min", "3 h", "2 days": a length in words. */
export function lengthOf(seconds: number): string {
  const round = (value: number) => String(Number(value.toFixed(1)));
  if (seconds < 60) return `${round(seconds)} s`;
  if (seconds < 3600) return `${round(seconds / 60)} min`;
  if (seconds < 86_400) return `${round(seconds / 3600)} h`;
  return seconds === 86_400 ? "1 day" : `${round(seconds / 86_400)} days`;
}

/** "Last 30 min", or both bounds. */
export function title(range: Range, now: number, zone: Zone): string {
  const seconds = lastSeconds(range);
  return seconds === null ? bounds(resolve(range, now), now, zone, false) : `Last ${lengthOf(seconds)}`;
}

/** "09:00 – 09:30 UTC"; with days when they are not today. */
export function bounds(span: Span, now: number, zone: Zone, named = true): string {
  const today = day(now, zone);
  const seconds = (span.to - span.from) / 1000 < 600 || span.from % 60_000 !== 0 || span.to % 60_000 !== 0;
  const time = seconds && (span.to - span.from) / 1000 < 86_400 ? clockSeconds : clock;
  const text = (ms: number, withDay: boolean) => `${withDay ? `${day(ms, zone)} ` : ""}${time(ms, zone)}`;
  const [first, second] = [day(span.from, zone), day(span.to, zone)];
  const joined = `${text(span.from, first !== today)} – ${text(span.to, second !== first)}`;
  return named ? `${joined} ${zoneName(zone, span.to)}` : joined;
}

/** For the fields of the picker. */
export function typed(bound: string, now: number, zone: Zone): string {
  return dayAndClock(resolveBound(bound, now), zone);
}
