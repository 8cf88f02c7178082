/** Ranges of time as people choose them, as addresses carry them, and as queries need them. */
import { clock, day, minute, zoneName, type Zone } from "../format/clock";
import { formatDuration } from "../format/duration";

/** Seconds back from now, or two moments in Unix milliseconds. */
export type TimeRangeValue = { last: number } | { from: number; to: number };

export interface Resolved {
  from: number;
  to: number;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** “30m” for 1800. */
export function spanText(seconds: number): string {
  for (const unit of ["w", "d", "h", "m"]) {
    const size = UNITS[unit] ?? 1;
    if (seconds >= size && seconds % size === 0 && !(unit === "w" && seconds < 604_800 * 2)) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}

/** A moment: `now`, `now-30m`, `09:00`, `09:00:30` (today), `2026-11-23`, `2026-11-23 09:00`, RFC 3339. Null: not one. */
export function parseMoment(text: string, now: number, zone: Zone): number | null {
  const trimmed = text.trim();
  const relative = /^now(?:-(\d+(?:\.\d+)?)([smhdw]))?$/.exec(trimmed);
  if (relative) return now - Number(relative[1] ?? 0) * (UNITS[relative[2] ?? "s"] ?? 1) * 1000;
  const parts = /^(?:(\d{4}-\d{2}-\d{2}))?[ T]?(?:(\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?$/.exec(trimmed);
  if (!parts || (!parts[1] && !parts[2])) return null;
  const today = new Date(zone === "utc" ? now : now - new Date(now).getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
  const time = `${parts[1] ?? today}T${parts[2] ?? "00"}:${parts[3] ?? "00"}:${parts[4] ?? "00"}${(parts[5] ?? "").slice(0, 4)}`;
  const t = Date.parse(time + (parts[6] ?? (zone === "utc" ? "Z" : "")));
  return Number.isNaN(t) ? null : t;
}

/** The value of `from` and `to` in an address; anything unreadable is the default. */
export function fromAddress(from: string | null, to: string | null, default_s: number): TimeRangeValue {
  const relative = /^now-(\d+)([smhdw])$/.exec(from ?? "");
  if (relative && (to === null || to === "now")) return { last: Number(relative[1]) * (UNITS[relative[2] ?? "s"] ?? 1) };
  const [start, end] = [Date.parse(from ?? ""), Date.parse(to ?? "")];
  return end > start ? { from: start, to: end } : { last: default_s };
}

export function toAddress(value: TimeRangeValue): { from: string; to: string } {
  return "last" in value
    ? { from: `now-${spanText(value.last)}`, to: "now" }
    : { from: new Date(value.from).toISOString(), to: new Date(value.to).toISOString() };
}

export function resolve(value: TimeRangeValue, now: number): Resolved {
  return "last" in value ? { from: now - value.last * 1000, to: now } : value;
}

/** The same length earlier (-1) or later (1); never beyond now. */
export function shift(value: TimeRangeValue, direction: -1 | 1, now: number): TimeRangeValue {
  const { from, to } = resolve(value, now);
  const by = Math.min(direction * (to - from), Math.max(0, now - to));
  return direction > 0 && by === 0 ? value : { from: from + by, to: to + by };
}

/** “Last 30 min”, “09:00 – 09:30”, “22 Nov 21:00 – 23 Nov 02:00”. */
export function rangeLabel(value: TimeRangeValue, now: number, zone: Zone): string {
  if ("last" in value) return `Last ${formatDuration(value.last)}`;
  const fine = (value.to - value.from) < 600_000;
  const moment = (t: number, before?: number) => {
    const date = day(t, now, zone);
    const again = before !== undefined && day(before, now, zone) === date;
    return `${again ? "" : date} ${fine ? clock(t, zone) : minute(t, zone)}`.trim();
  };
  return `${moment(value.from)} – ${moment(value.to, value.from)} ${zoneName(zone, value.to)}`;
}
