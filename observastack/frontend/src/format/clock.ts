/** Moments on screen. The zone comes from the profile, and what could be misread says which one it is. */

export type Zone = "utc" | "browser";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** A date whose UTC fields are those of the zone. */
function local(t: number, zone: Zone): Date {
  return zone === "utc" ? new Date(t) : new Date(t - new Date(t).getTimezoneOffset() * 60_000);
}

/** “UTC”, or the abbreviation that the browser knows. */
export function zoneName(zone: Zone, t = Date.now()): string {
  if (zone === "utc") return "UTC";
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(t);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local";
}

/** 09:15:21 */
export function clock(t: number, zone: Zone): string {
  return local(t, zone).toISOString().slice(11, 19);
}

/** 09:15 */
export function minute(t: number, zone: Zone): string {
  return local(t, zone).toISOString().slice(11, 16);
}

/** 09:15:21.204 */
export function milliClock(t: number, zone: Zone): string {
  return local(t, zone).toISOString().slice(11, 23);
}

/** Day part that a list needs: nothing today, “Sun” within six days, else “23 Nov” (with the year when it is another). */
export function day(t: number, now: number, zone: Zone): string {
  const [then, today] = [local(t, zone), local(now, zone)];
  const days = Math.floor(today.getTime() / 86_400_000) - Math.floor(then.getTime() / 86_400_000);
  if (days === 0) return "";
  if (days > 0 && days < 7) return DAYS[then.getUTCDay()] ?? "";
  const date = `${then.getUTCDate()} ${MONTHS[then.getUTCMonth()] ?? ""}`;
  return then.getUTCFullYear() === today.getUTCFullYear() ? date : `${date} ${then.getUTCFullYear()}`;
}

/** “09:15:21”, “Sun 22:13:04”, “3 Oct 11:00:00”. */
export function short(t: number, now: number, zone: Zone): string {
  return `${day(t, now, zone)} ${clock(t, zone)}`.trim();
}

/** “23 Nov 2026, 09:15:21 UTC”. */
export function full(t: number, zone: Zone): string {
  const then = local(t, zone);
  return `${then.getUTCDate()} ${MONTHS[then.getUTCMonth()] ?? ""} ${then.getUTCFullYear()}, ${clock(t, zone)} ${zoneName(zone, t)}`;
}

/** 2026-11-23 09:15:21, as fields take it. */
export function fieldText(t: number, zone: Zone): string {
  return local(t, zone).toISOString().slice(0, 19).replace("T", " ");
}
