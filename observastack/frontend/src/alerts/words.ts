/** What the alert views say. Pure, so that every sentence can be tested. */
import type { IconName } from "../components";
import { formatDuration } from "../format/duration";
import { clockSeconds, dayAndClock, day, type Zone, zoneName } from "../time/clock";
import type { Alert, AlertAction, AlertActionResult, AlertHistory, Matcher } from "../types";

export const DURATIONS: readonly { seconds: number; label: string }[] = [
  { seconds: 1800, label: "30 minutes" },
  { seconds: 3600, label: "1 hour" },
  { seconds: 14_400, label: "4 hours" },
  { seconds: 28_800, label: "8 hours" },
  { seconds: 86_400, label: "1 day" },
  { seconds: 604_800, label: "7 days" },
];

/** “1 hour, until 10:30 UTC”. */
export function durationLabel(seconds: number, now: number, zone: Zone): string {
  const end = now + seconds * 1000;
  const label = DURATIONS.find((each) => each.seconds === seconds)?.label ?? formatDuration(seconds);
  const time = day(end, zone) === day(now, zone) ? clockSeconds(end, zone).slice(0, 5) : dayAndClock(end, zone).slice(0, 16);
  return `${label}, until ${time} ${zoneName(zone, end)}`;
}

const STEPS: Record<AlertHistory["action"], { title: string; by: boolean; icon: IconName; colour: string }> = {
  fired: { title: "Fired", by: false, icon: "bolt", colour: "var(--fill-error)" },
  refired: { title: "Fired again", by: false, icon: "bolt", colour: "var(--fill-error)" },
  acknowledged: { title: "Acknowledged", by: true, icon: "check", colour: "var(--fill-info)" },
  resolved: { title: "Resolved", by: true, icon: "check-circle", colour: "var(--fill-ok)" },
  resolved_by_source: { title: "Resolved by the source", by: false, icon: "check-circle", colour: "var(--fill-ok)" },
  assigned: { title: "Assigned", by: true, icon: "user", colour: "var(--fill-info)" },
  silenced: { title: "Silenced", by: true, icon: "bell-off", colour: "var(--fill-debug)" },
  unsilenced: { title: "Silence ended", by: true, icon: "bell", colour: "var(--fill-debug)" },
};

/** One entry of the history: heading, text below it, sign. */
export function step({ action, user, note }: AlertHistory): { title: string; text: string | null; icon: IconName; colour: string } {
  const known = STEPS[action] ?? { title: action, by: true, icon: "info" as const, colour: "var(--fill-debug)" };
  const title = known.by && user ? `${known.title} by ${user}` : known.title;
  const said = known.by && user && action !== "assigned";
  return { title, text: note ? (said ? `“${note}”` : note) : null, icon: known.icon, colour: known.colour };
}

/** Seconds that an alert has fired, or fired until it was resolved. */
export function firingFor(alert: Pick<Alert, "starts_at" | "resolved_at" | "ends_at" | "status">, now: number): number {
  const end = alert.status === "resolved" ? Date.parse(alert.resolved_at ?? alert.ends_at ?? "") : now;
  return Math.max(0, ((Number.isNaN(end) ? now : end) - Date.parse(alert.starts_at)) / 1000);
}

const DONE: Record<AlertAction, string> = {
  acknowledge: "acknowledged", resolve: "resolved", assign: "assigned", silence: "silenced",
};

export interface Outcome {
  tone: "ok" | "warn" | "error";
  title: string;
  text: string | null;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** What to say after a bulk action: only what the server confirmed counts as done. */
export function outcome(action: AlertAction, { results, succeeded, failed }: AlertActionResult, zone: Zone): Outcome {
  const refused = results.filter((result) => !result.ok);
  const reasons = [...new Set(refused.map((result) => `${humane(result.message ?? "no reason given", zone)} (${result.status})`))];
  const text = failed === 0 ? null
    : `${failed === 1 ? "One was" : `${failed} were`} refused: ${reasons.slice(0, 2).join("; ")}${reasons.length > 2 ? "; and other reasons" : ""}.`;
  if (succeeded === 0) return { tone: "error", title: `No alert was ${DONE[action]}`, text };
  return { tone: failed > 0 ? "warn" : "ok", title: `${plural(succeeded, "alert")} ${DONE[action]}`, text };
}

/** A message of the API with its moments as the page writes them. */
export function humane(message: string, zone: Zone): string {
  return message.replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})/g, (found) => {
    const at = Date.parse(found);
    return `${day(at, zone) === day(Date.now(), zone) ? clockSeconds(at, zone) : dayAndClock(at, zone)} ${zoneName(zone, at)}`;
  });
}

/** Whether the matcher fits; a label that is not there has the value "" and patterns match whole values, as in Alertmanager. */
export function fits(matcher: Matcher, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[matcher.name] ?? "";
  if (!matcher.is_regex) return (value === matcher.value) === matcher.is_equal;
  try {
    return new RegExp(`^(?:${matcher.value})$`, "s").test(value) === matcher.is_equal;
  } catch {
    return false;
  }
}

export function operatorOf({ is_regex, is_equal }: Pick<Matcher, "is_regex" | "is_equal">): string {
  return is_regex ? (is_equal ? "matches" : "does not match") : is_equal ? "is" : "is not";
}

/** Labels that say most about an alert, for its row. */
export function tellingLabel(alert: Pick<Alert, "labels" | "service">): string | null {
  for (const name of ["region", "instance", "pod", "namespace", "env", "route", "job"]) {
    const value = alert.labels[name];
    if (value && value !== alert.service) return `${name}=${value}`;
  }
  return null;
}

/** Matchers that silence this alert and little else. */
export function matchersFor(alert: Pick<Alert, "labels" | "service">): Matcher[] {
  const equal = (name: string, value: string): Matcher => ({ name, value, is_regex: false, is_equal: true });
  const matchers: Matcher[] = [];
  if (alert.labels["alertname"]) matchers.push(equal("alertname", alert.labels["alertname"]));
  for (const name of ["service", "service_name", "job", "instance"]) {
    const value = alert.labels[name];
    if (value) {
      matchers.push(equal(name, value));
      break;
    }
  }
  return matchers;
}

/** The PromQL behind an alert: Prometheus puts it into the link to itself, rules may put it into an annotation. */
export function expressionOf(alert: Pick<Alert, "generator_url" | "annotations">): string | null {
  for (const name of ["expr", "expression", "query"]) {
    const text = alert.annotations[name];
    if (text) return text;
  }
  try {
    return new URL(alert.generator_url ?? "").searchParams.get("g0.expr");
  } catch {
    return null;
  }
}

/** Links that may be offered: a label must not smuggle in `javascript:`. */
export function safeLink(text: string | null | undefined): string | null {
  try {
    const url = new URL(text ?? "");
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}
