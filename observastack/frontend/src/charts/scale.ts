/** Scales and ticks. Positions are percent of the plot, so a chart needs no measuring and is sharp at every width. */
import type { Zone } from "../time/clock";


export interface Range {
  from: number;
  to: number;
}

/** Percent (0…100) of a value in a range; an empty range puts everything at 0. */
export function percent(value: number, { from, to }: Range): number {
  return to === from ? 0 : ((value - from) / (to - from)) * 100;
}

/** The smallest of 1, 2, 2.5, 5 × 10ⁿ that is not below `raw`. */
export function niceStep(raw: number): number {
  if (!(raw > 0) || !Number.isFinite(raw)) return 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  for (const factor of [1, 2, 2.5, 5, 10]) if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

/** Round ticks that cover the values, zero among them unless all are far from it; at most `most` intervals. */
export function valueTicks(low: number, high: number, most = 4, fromZero = true): number[] {
  let bottom = fromZero ? Math.min(0, low) : low;
  let top = fromZero ? Math.max(0, high) : high;
  if (!Number.isFinite(bottom) || !Number.isFinite(top) || (bottom === 0 && top === 0)) [bottom, top] = [0, 1];
  if (bottom === top) [bottom, top] = [bottom - Math.abs(bottom) * 0.1, top + Math.abs(top) * 0.1];
  let step = niceStep((top - bottom) / most);
  for (;;) {
    const first = Math.floor(bottom / step + 1e-9);
    const last = Math.ceil(top / step - 1e-9);
    if (last - first <= most) return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
    step = niceStep(step * 1.01);
  }
}

/** Ticks for counts: whole numbers, at most `most` lines above 0. */
export function countTicks(high: number, most = 2): number[] {
  const step = Math.max(1, niceStep(Math.max(1, high) / most));
  const whole = step < 5 ? Math.ceil(step) : step;
  const count = Math.max(1, Math.ceil(high / whole - 1e-9));
  return Array.from({ length: count + 1 }, (_, index) => index * whole);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  1, 10, 100, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE,
  15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
];

export interface TimeTick {
  t: number;
  label: string;
}


function offset_ms(t: number, zone: Zone): number {
  return zone === "utc" ? 0 : -new Date(t).getTimezoneOffset() * MINUTE;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** A moment as the axis writes it, as fine as the step needs. */
export function timeLabel(t: number, step_ms: number, zone: Zone): string {
  const local = new Date(t + offset_ms(t, zone));
  const clock = local.toISOString().slice(11);
  const midnight = clock.startsWith("00:00:00.000");
  if (step_ms >= DAY || (midnight && step_ms >= HOUR)) return `${DAYS[local.getUTCDay()] ?? ""} ${local.getUTCDate()}`;
  if (step_ms < SECOND) return clock.slice(0, 12);
  return step_ms < MINUTE ? clock.slice(0, 8) : clock.slice(0, 5);
}

/** Ticks at round times in the zone, at most `most`. Milliseconds. */
export function timeTicks({ from, to }: Range, zone: Zone, most = 7): TimeTick[] {
  if (!(to > from)) return [];
  const step = STEPS.find((each) => (to - from) / each <= most - 1) ?? niceStep((to - from) / (most - 1));
  const shift = offset_ms(from, zone);
  const ticks: TimeTick[] = [];
  for (let local = Math.ceil((from + shift) / step) * step; local - shift <= to; local += step) {
    const t = local - shift;
    ticks.push({ t, label: timeLabel(t, step, zone) });
  }
  return ticks;
}

/** The step of a range query: points ≤ plot width ÷ 4 px, rounded up to a step people know, in seconds. */
export function queryStep(range_s: number, plot_px: number): number {
  const raw = range_s / Math.max(30, Math.floor(plot_px / 4));
  const known = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
  return known.find((step) => step >= raw) ?? Math.ceil(raw / 86_400) * 86_400;
}
