/** Filters as texts: in the address bar, in chips, typed into the query. */
import type { Filter, Item, Operator } from "../types";

/** Fields that need no prefix; anything else is `attributes.<key>` or `resource.<key>`. */
export const FIELDS = [
  "service",
  "severity",
  "body",
  "name",
  "trace_id",
  "span_id",
  "status",
  "kind",
  "duration_ns",
  "value",
] as const;

export const SEVERITIES = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type SeverityName = (typeof SEVERITIES)[number];

const NUMERIC = new Set(["duration_ns", "value", "status", "kind"]);

/** How each operator is written between field and value; longest first. */
const SIGNS: readonly (readonly [string, Operator])[] = [
  ["!=", "not_equals"],
  ["=~", "regex"],
  ["=[", "range"],
  ["=", "equals"],
  ["~", "contains"],
  [">", "gt"],
  ["<", "lt"],
];

const WORDS: Record<Operator, string> = {
  equals: "is",
  not_equals: "is not",
  contains: "contains",
  regex: "matches",
  range: "between",
  exists: "exists",
  gt: "above",
  lt: "below",
};

export const OPERATORS = Object.keys(WORDS) as Operator[];

export function operatorWord(filter: Filter): string {
  if (filter.operator === "exists") return filter.value === false ? "is absent" : "is present";
  return WORDS[filter.operator];
}

export function wordOf(operator: Operator): string {
  return WORDS[operator];
}

/** service=payments, attributes.route!=/healthz, severity=[17..24], attributes.user.id?, !attributes.user.id? */
export function encodeFilter(filter: Filter): string {
  const field = filter.field.replace(/[%=!~<>?]/g, (char) => encodeURIComponent(char).replace("~", "%7E").replace("!", "%21"));
  if (filter.operator === "exists") return `${filter.value === false ? "!" : ""}${field}?`;
  if (filter.operator === "range") {
    const [low, high] = filter.value as [unknown, unknown];
    return `${field}=[${String(low)}..${String(high)}]`;
  }
  const sign = SIGNS.find(([, operator]) => operator === filter.operator)?.[0] ?? "=";
  // A number and the text of the same digits are different values of an attribute.
  const value = typeof filter.value === "string" ? quoteIfNeeded(filter.value) : String(filter.value);
  return `${field}${sign}${value}`;
}

function quoteIfNeeded(text: string): string {
  const ambiguous = text === "true" || text === "false" || text.startsWith('"') || text.startsWith("[") || text.startsWith("~");
  return ambiguous || (text !== "" && Number.isFinite(Number(text))) ? JSON.stringify(text) : text;
}

/** The filter of a text that `encodeFilter` could have written; null when it has no meaning. */
export function decodeFilter(text: string): Filter | null {
  const exists = /^(!?)([^=!~<>?]+)\?$/.exec(text);
  if (exists?.[2]) return { field: unescape(exists[2]), operator: "exists", value: exists[1] !== "!" };
  const match = /^([^=!~<>?]+)(!=|=~|=\[|=|~|>|<)(.*)$/s.exec(text);
  const field = match?.[1] && unescape(match[1]);
  const operator = SIGNS.find(([sign]) => sign === match?.[2])?.[1];
  if (!field || !operator || match?.[3] === undefined) return null;
  if (operator === "range") {
    const range = /^(.+)\.\.(.+)\]$/.exec(match[3]);
    const [low, high] = [Number(range?.[1]), Number(range?.[2])];
    return range && Number.isFinite(low) && Number.isFinite(high) ? { field, operator, value: [low, high] } : null;
  }
  return { field, operator, value: decodeValue(match[3]) };
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function decodeValue(text: string): unknown {
  if (text === "true") return true;
  if (text === "false") return false;
  if (text.startsWith('"')) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  }
  return text !== "" && text.trim() === text && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** The field without the place where it is stored: what people call it. */
export function fieldName(field: string): string {
  return field.replace(/^(attributes|resource)\./, "");
}

export function valueText(filter: Filter): string {
  if (filter.operator === "exists") return "";
  if (filter.operator === "range") {
    const [low, high] = filter.value as [unknown, unknown];
    if (filter.field === "severity") return severityRange(Number(low), Number(high));
    return `${String(low)} and ${String(high)}`;
  }
  const service = filter.operator === "regex" ? alternatives(filter.value) : null;
  return service ? service.join(" or ") : String(filter.value);
}

function severityRange(low: number, high: number): string {
  const [first, second] = [severityName(low), severityName(high)];
  return first === second ? first : `${first} and ${second}`;
}

/**
 * Takes filters out of what was typed: `service=payments timeout` is one filter and the text `timeout`. Only fields that
 * the platform knows count, because logs are full of key=value; a quoted text is always text.
 */
export function takeFilters(typed: string): { text: string; filters: Filter[] } {
  const filters: Filter[] = [];
  const rest: string[] = [];
  for (const token of typed.match(/"[^"]*"|\S*?(?:=|~|>|<)"[^"]*"|\S+/g) ?? []) {
    const filter = token.startsWith('"') ? null : decodeFilter(token.replace(/^([^"]*)"([^"]*)"$/, (_, sign, value) => sign + value));
    if (filter && isKnown(filter.field)) filters.push(NUMERIC.has(filter.field) ? filter : asText(filter));
    else rest.push(token);
  }
  return { text: rest.join(" "), filters };
}

function asText(filter: Filter): Filter {
  const known = (FIELDS as readonly string[]).includes(filter.field);
  return known && typeof filter.value === "number" && filter.field !== "severity"
    ? { ...filter, value: String(filter.value) }
    : filter;
}

function isKnown(field: string): boolean {
  return (FIELDS as readonly string[]).includes(field) || /^(attributes|resource)\../.test(field);
}

export function sameFilter(one: Filter, other: Filter): boolean {
  return encodeFilter(one) === encodeFilter(other);
}

/** Adds the filter, or takes it out when it is there; the opposite of it goes in any case. */
export function toggleFilter(filters: readonly Filter[], filter: Filter): Filter[] {
  if (filters.some((one) => sameFilter(one, filter))) return filters.filter((one) => !sameFilter(one, filter));
  const opposite = filter.operator === "equals" ? "not_equals" : filter.operator === "not_equals" ? "equals" : null;
  return [
    ...filters.filter((one) => opposite === null || !sameFilter(one, { ...filter, operator: opposite })),
    filter,
  ];
}

// ---- several values of one facet

/** Values of a facet that the filters ask for. */
export function chosen(filters: readonly Filter[], field: string): string[] {
  const values: string[] = [];
  const excluded = new Set<string>();
  for (const filter of filters) {
    if (filter.field !== field) continue;
    if (filter.operator === "equals") values.push(String(filter.value));
    if (filter.operator === "not_equals") excluded.add(String(filter.value));
    if (filter.operator === "regex") values.push(...(alternatives(filter.value) ?? []));
    if (filter.operator === "range" && field === "severity") {
      const [low, high] = filter.value as [number, number];
      values.push(...SEVERITIES.filter((_, index) => index * 4 + 1 >= low && index * 4 + 4 <= high));
    }
  }
  return values.filter((value) => !excluded.has(value));
}

/**
 * Filters that ask for exactly these values of a field. The API joins filters with AND, so several values are one
 * pattern, and several severities a range without those between.
 */
export function choose(filters: readonly Filter[], field: string, values: readonly string[]): Filter[] {
  const others = filters.filter((filter) => filter.field !== field || !isChoice(filter));
  if (values.length === 0) return others;
  if (values.length === 1) return [...others, { field, operator: "equals", value: values[0] }];
  if (field !== "severity") return [...others, { field, operator: "regex", value: pattern(values) }];
  const indexes = values.map((value) => SEVERITIES.indexOf(value as SeverityName)).filter((index) => index >= 0);
  const [low, high] = [Math.min(...indexes), Math.max(...indexes)];
  const between = SEVERITIES.slice(low, high + 1).filter((name) => !values.includes(name));
  return [
    ...others,
    { field, operator: "range", value: [low * 4 + 1, high * 4 + 4] },
    ...between.map((value): Filter => ({ field, operator: "not_equals", value })),
  ];
}

/** Whether the filter could come from checking boxes of a facet. */
export function isChoice(filter: Filter): boolean {
  if (filter.operator === "equals") return true;
  if (filter.operator === "regex") return alternatives(filter.value) !== null;
  return filter.field === "severity" && (filter.operator === "range" || filter.operator === "not_equals");
}

function pattern(values: readonly string[]): string {
  return `^(${values.map((value) => value.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})$`;
}

function alternatives(value: unknown): string[] | null {
  const match = typeof value === "string" ? /^\^\((.*)\)\$$/s.exec(value) : null;
  if (match?.[1] === undefined) return null;
  const parts = match[1].split(/(?<!\\)\|/).map((part) => part.replace(/\\(.)/gs, "$1"));
  return pattern(parts) === value ? parts : null;
}

// ---- the same filters here, for what arrives live

/** severity_number of OpenTelemetry as a name: four numbers each. */
export function severityName(number: number): SeverityName | "unspecified" {
  return number < 1 ? "unspecified" : (SEVERITIES[Math.min(5, Math.floor((number - 1) / 4))] ?? "unspecified");
}

function fieldOf(item: Item, field: string): unknown {
  const { content } = item;
  if (field === "service") return item.service;
  if (field === "trace_id") return item.trace_id;
  if (field.startsWith("attributes.")) return content.attributes[field.slice(11)];
  if (field.startsWith("resource.")) return content.resource[field.slice(9)];
  if (item.source === "logs") {
    if (field === "severity") return item.content.severity_number;
    if (field === "body") return bodyText(item.content.body);
  }
  if (item.source === "traces" && field === "status") return item.content.status_code;
  if (field === "attributes" || field === "resource") return undefined;
  return (content as unknown as Record<string, unknown>)[field];
}

/** Whether the item passes the filter, as the server would decide. */
export function passes(item: Item, filter: Filter): boolean {
  const value = fieldOf(item, filter.field);
  const present = value !== undefined && value !== null;
  switch (filter.operator) {
    case "exists":
      return present === (filter.value !== false);
    case "not_equals":
      return !(present && equal(value, filter));
    case "equals":
      return present && equal(value, filter);
    case "contains":
      return present && String(value).toLowerCase().includes(String(filter.value).toLowerCase());
    case "regex":
      try {
        return present && new RegExp(String(filter.value), "s").test(String(value));
      } catch {
        return false;
      }
    case "gt":
      return present && Number(value) > limit(filter, 3);
    case "lt":
      return present && Number(value) < limit(filter, 0);
    case "range": {
      const [low, high] = filter.value as [number, number];
      return present && Number(value) >= low && Number(value) <= high;
    }
  }
}

function equal(value: unknown, filter: Filter): boolean {
  if (filter.field === "severity" && typeof filter.value === "string") return severityName(Number(value)) === filter.value;
  return typeof filter.value === "string" ? String(value) === filter.value : value === filter.value;
}

/** The severity number of a named bound; offset 3 is the top of the name's range. */
function limit(filter: Filter, offset: 0 | 3): number {
  const index = SEVERITIES.indexOf(filter.value as SeverityName);
  return filter.field === "severity" && index >= 0 ? index * 4 + 1 + offset : Number(filter.value);
}

export function bodyText(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body) ?? "";
}
