/** Moments as texts, in UTC or the browser's time zone. Milliseconds since 1970 unless a name says nanoseconds. */
export type Zone = "utc" | "browser";

const pad = (value: number, digits = 2) => String(value).padStart(digits, "0");

interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  milli: number;
}

function partsOf(ms: number, zone: Zone): Parts {
  const date = new Date(ms);
  return zone === "utc"
    ? {
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
        second: date.getUTCSeconds(),
        milli: date.getUTCMilliseconds(),
      }
    : {
        year: date.getFullYear(),
        month: date.getMonth() + 1,
        day: date.getDate(),
        hour: date.getHours(),
        minute: date.getMinutes(),
        second: date.getSeconds(),
        milli: date.getMilliseconds(),
      };
}

export function day(ms: number, zone: Zone): string {
  const at = partsOf(ms, zone);
  return `${at.year}-${pad(at.month)}-${pad(at.day)}`;
}

/** 09:21 */
export function clock(ms: number, zone: Zone): string {
  const at = partsOf(ms, zone);
  return `${pad(at.hour)}:${pad(at.minute)}`;
}

/** 09:21:28 */
export function clockSeconds(ms: number, zone: Zone): string {
  return `${clock(ms, zone)}:${pad(partsOf(ms, zone).second)}`;
}

/** 09:21:28.318 */
export function clockMillis(ms: number, zone: Zone): string {
  return `${clockSeconds(ms, zone)}.${pad(partsOf(ms, zone).milli, 3)}`;
}

/** 2026-11-23 09:21:28 */
export function dayAndClock(ms: number, zone: Zone): string {
  return `${day(ms, zone)} ${clockSeconds(ms, zone)}`;
}

/** UTC, or the abbreviation of the browser's zone at that moment. */
export function zoneName(zone: Zone, ms: number): string {
  if (zone === "utc") return "UTC";
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(ms);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local";
}

/** The moment that a wall clock of the zone shows so. */
export function moment(
  year: number,
  month: number,
  dayOfMonth: number,
  hour: number,
  minute: number,
  second: number,
  zone: Zone,
): number {
  return zone === "utc"
    ? Date.UTC(year, month - 1, dayOfMonth, hour, minute, second)
    : new Date(year, month - 1, dayOfMonth, hour, minute, second).getTime();
}

/** "0.4 ms", "9 ms", "2.41 s", "3 min 5 s". */
export function duration(ns: number): string {
  const ms = ns / 1e6;
  if (ms === 0) return "0";
  if (ms < 0.001) return `${ns} ns`;
  if (ms < 1) return `${trim(ms * 1000)} µs`;
  if (ms < 10) return `${trim(ms)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.round(seconds % 60);
  if (minutes < 60) return rest === 60 ? `${minutes + 1} min` : rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function trim(value: number): string {
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toFixed(1)));
}
