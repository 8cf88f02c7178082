/** Moments as lists and details show them: as short as can be understood, or whole. */
import { clockSeconds, day, dayAndClock, type Zone, zoneName } from "./clock";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** “09:15:21” today, “Sun 22:13:04” within six days, else “2026-10-03 11:00:00”. */
export function short(ms: number, now: number, zone: Zone): string {
  const [then, today] = [day(ms, zone), day(now, zone)];
  if (then === today) return clockSeconds(ms, zone);
  const days = (Date.parse(today) - Date.parse(then)) / 86_400_000;
  if (days < 0 || days > 6) return dayAndClock(ms, zone);
  return `${DAYS[new Date(then).getUTCDay()] ?? ""} ${clockSeconds(ms, zone)}`;
}

/** “2026-11-23 09:15:21 UTC”. */
export function full(ms: number, zone: Zone): string {
  return `${dayAndClock(ms, zone)} ${zoneName(zone, ms)}`;
}
