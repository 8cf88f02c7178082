/** How an item of any signal is said in one line, and which rows its details have. */
import { duration } from "../time/clock";
import type { Attributes, Filter, Item } from "../types";
import { bodyText, severityName } from "./filters";

export interface Line {
  /** Class of the severity; null for what has none. */
  severity: "fatal" | "error" | "warn" | "info" | "debug" | null;
  /** The word in the column. */
  word: string;
  kind: "log" | "span" | "metric";
  text: string;
}

export const KIND_WORDS: Record<number, string> = {
  0: "unspecified",
  1: "internal",
  2: "server",
  3: "client",
  4: "producer",
  5: "consumer",
};
const STATUS_WORDS: Record<number, string> = { 0: "unset", 1: "ok", 2: "error" };

export function lineOf(item: Item): Line {
  switch (item.source) {
    case "logs": {
      const name = severityName(item.content.severity_number);
      const severity = name === "trace" ? "debug" : name === "unspecified" ? null : name;
      return { severity, word: name === "unspecified" ? "–" : name.toUpperCase(), kind: "log", text: firstLine(item) };
    }
    case "traces": {
      const { name, duration_ns, status_code, status_message } = item.content;
      const failed = status_code === 2;
      const text = [name, duration(duration_ns), failed ? (status_message ?? "") : ""].filter(Boolean).join(" · ");
      return { severity: failed ? "error" : null, word: failed ? "ERROR" : "–", kind: "span", text };
    }
    case "metrics": {
      const { name, value, unit } = item.content;
      return { severity: null, word: "–", kind: "metric", text: `${name}${labels(item.content.attributes)} = ${number(value)}${unit && unit !== "1" ? ` ${unit}` : ""}` };
    }
  }
}

function firstLine(item: Extract<Item, { source: "logs" }>): string {
  const text = bodyText(item.content.body);
  const end = text.indexOf("\n");
  return end < 0 ? text : `${text.slice(0, end)} …`;
}

function labels(attributes: Attributes): string {
  const pairs = Object.entries(attributes).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length > 0 ? `{${pairs.join(", ")}}` : "";
}

function number(value: number | string | null): string {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}

/** The text of the details' head: all of it. */
export function wholeText(item: Item): string {
  return item.source === "logs" ? bodyText(item.content.body) : lineOf(item).text;
}

export interface AttributeRow {
  name: string;
  text: string;
  /** What + and − filter for; null when the platform has no such filter. */
  filter: Filter | null;
}

/** All that is known of an item, in the order in which people look: where from, what, by which ids. */
export function attributeRows(item: Item): AttributeRow[] {
  const { content } = item;
  const rows: AttributeRow[] = [];
  const own = (name: string, value: unknown, filterValue: unknown = value) => {
    if (value === null || value === undefined || value === "") return;
    rows.push({ name, text: textOf(value), filter: filterFor(name, filterValue) });
  };
  const all = (attributes: Attributes, prefix: string) => {
    for (const [key, value] of Object.entries(attributes).sort(([one], [other]) => one.localeCompare(other))) {
      if (prefix === "resource." && key === "service.name") continue;
      rows.push({ name: key, text: textOf(value), filter: filterFor(prefix + key, value) });
    }
  };
  own("service", item.service);
  all(content.resource, "resource.");
  if (item.source === "logs") {
    const name = severityName(item.content.severity_number);
    own("severity", `${item.content.severity_text || name.toUpperCase()} (${item.content.severity_number})`, name === "unspecified" ? item.content.severity_number : name);
  }
  if (item.source === "traces") {
    own("name", item.content.name);
    own("duration", duration(item.content.duration_ns), null);
    own("kind", KIND_WORDS[item.content.kind] ?? item.content.kind, item.content.kind);
    own("status", STATUS_WORDS[item.content.status_code] ?? item.content.status_code, item.content.status_code);
  }
  if (item.source === "metrics") {
    own("name", item.content.name);
    own("value", item.content.value, null);
    own("unit", item.content.unit, null);
    own("type", item.content.type, null);
  }
  all(content.attributes, "attributes.");
  own("trace_id", item.trace_id);
  if (item.source !== "metrics") own("span_id", item.content.span_id);
  return rows;
}

const WITHOUT_FILTER = new Set(["duration", "unit", "type"]);

function filterFor(field: string, value: unknown): Filter | null {
  if (value === null || WITHOUT_FILTER.has(field)) return null;
  if (!["string", "number", "boolean"].includes(typeof value)) return null;
  return { field, operator: "equals", value };
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}

export function idOf(item: Pick<Item, "source" | "id">): string {
  return `${item.source}:${item.id}`;
}

/** Milliseconds since 1970. */
export function timeOf(item: Pick<Item, "time_unix_nano">): number {
  return Number(BigInt(item.time_unix_nano) / 1_000_000n);
}

/** Parts of a text around what was searched for (without case): odd ones are matches. */
export function marked(text: string, needle: string): string[] {
  const wanted = needle.trim().toLowerCase();
  if (wanted === "") return [text];
  const lower = text.toLowerCase();
  const parts: string[] = [];
  let at = 0;
  for (let found = lower.indexOf(wanted); found >= 0; found = lower.indexOf(wanted, at)) {
    parts.push(text.slice(at, found), text.slice(found, found + wanted.length));
    at = found + wanted.length;
  }
  parts.push(text.slice(at));
  return parts;
}
