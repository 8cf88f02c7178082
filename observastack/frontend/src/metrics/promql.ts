/** The query builder: choices become PromQL, and PromQL that has the builder's form becomes choices again. */

export type Reduction = "p50" | "p90" | "p95" | "p99" | "rate" | "increase" | "sum" | "avg" | "min" | "max" | "count" | "value";

export interface LabelMatch {
  label: string;
  operator: "=" | "!=" | "=~" | "!~";
  value: string;
}

export interface Built {
  metric: string;
  reduction: Reduction;
  /** Labels to group by; none: one series (or, for `value`, all). */
  by: string[];
  /** A duration such as 5m; used by rates and quantiles. */
  window: string;
  filters: LabelMatch[];
}

export const REDUCTIONS: readonly { value: Reduction; label: string; windowed: boolean }[] = [
  { value: "p50", label: "p50 of histogram", windowed: true },
  { value: "p90", label: "p90 of histogram", windowed: true },
  { value: "p95", label: "p95 of histogram", windowed: true },
  { value: "p99", label: "p99 of histogram", windowed: true },
  { value: "rate", label: "rate per second", windowed: true },
  { value: "increase", label: "increase", windowed: true },
  { value: "sum", label: "sum", windowed: false },
  { value: "avg", label: "average", windowed: false },
  { value: "min", label: "minimum", windowed: false },
  { value: "max", label: "maximum", windowed: false },
  { value: "count", label: "number of series", windowed: false },
  { value: "value", label: "each series as it is", windowed: false },
];

export function windowed(reduction: Reduction): boolean {
  return REDUCTIONS.find(({ value }) => value === reduction)?.windowed ?? false;
}

function quote(value: string): string {
  return `"${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
}

/** A name with dots (OpenTelemetry's, where the store keeps them) is asked for as the label that it is. */
function selector(metric: string, filters: readonly LabelMatch[]): string {
  const plain = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(metric);
  const named: readonly LabelMatch[] = plain ? filters : [{ label: "__name__", operator: "=", value: metric }, ...filters];
  const matches = named.map(({ label, operator, value }) => `${label}${operator}${quote(value)}`).join(", ");
  return `${plain ? metric : ""}${matches ? `{${matches}}` : ""}`;
}

/** PromQL of the choices. A histogram is named without its suffix `_bucket`. */
export function build({ metric, reduction, by, window, filters }: Built): string {
  const group = by.length > 0 ? ` by (${by.join(", ")})` : "";
  const quantile = /^p(\d\d)$/.exec(reduction)?.[1];
  if (quantile) {
    const bucket = metric.endsWith("_bucket") ? metric : `${metric}_bucket`;
    return `histogram_quantile(0.${quantile.replace(/0$/, "")}, sum by (${["le", ...by].join(", ")}) (rate(${selector(bucket, filters)}[${window}])))`;
  }
  const inner = selector(metric, filters);
  if (reduction === "value") return inner;
  if (reduction === "rate" || reduction === "increase") return `sum${group} (${reduction}(${inner}[${window}]))`;
  return `${reduction}${group} (${inner})`;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SELECTOR = `(${NAME})?(?:\\{((?:[^{}"]|"(?:[^"\\\\]|\\\\.)*")*)\\})?`;
const WINDOW = "\\[(\\d+(?:ms|[smhdwy]))\\]";
const BY = "(?: by \\(([^()]*)\\))?";
const QUANTILE = new RegExp(`^histogram_quantile\\(0\\.(\\d{1,2}), sum by \\(le((?:, [^()]*)?)\\) \\(rate\\(${SELECTOR}${WINDOW}\\)\\)\\)$`);
const RATE = new RegExp(`^sum${BY} \\((rate|increase)\\(${SELECTOR}${WINDOW}\\)\\)$`);
const PLAIN = new RegExp(`^(sum|avg|min|max|count)${BY} \\(${SELECTOR}\\)$`);
const BARE = new RegExp(`^${SELECTOR}$`);

function names(text: string | undefined): string[] {
  return (text ?? "").split(",").map((part) => part.trim()).filter(Boolean);
}

function filtersOf(text: string | undefined): LabelMatch[] | null {
  const filters: LabelMatch[] = [];
  let rest = (text ?? "").trim();
  while (rest) {
    const found = /^([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*(?:,\s*|$)/.exec(rest);
    if (!found) return null;
    const [whole, label, operator, value] = found;
    filters.push({ label: label ?? "", operator: operator as LabelMatch["operator"], value: unquote(value ?? '""') });
    rest = rest.slice(whole.length);
  }
  return filters;
}

/** The choices behind a query of the builder's form; null for any other query. */
export function parse(expression: string): Built | null {
  const text = expression.trim();
  const made = (metric: string | undefined, reduction: Reduction, by: string[], window: string | undefined, filters: string | undefined): Built | null => {
    const matches = filtersOf(filters);
    const [first] = matches ?? [];
    const named = metric ?? (first?.label === "__name__" && first.operator === "=" ? first.value : "");
    if (!matches || !named) return null;
    const name = reduction.startsWith("p") ? named.replace(/_bucket$/, "") : named;
    return { metric: name, reduction, by, window: window ?? "5m", filters: metric ? matches : matches.slice(1) };
  };
  const quantile = QUANTILE.exec(text);
  if (quantile) {
    const reduction = `p${(quantile[1] ?? "").padEnd(2, "0")}` as Reduction;
    if (!REDUCTIONS.some(({ value }) => value === reduction)) return null;
    return made(quantile[3], reduction, names(quantile[2]), quantile[5], quantile[4]);
  }
  const rate = RATE.exec(text);
  if (rate) return made(rate[3], rate[2] as Reduction, names(rate[1]), rate[5], rate[4]);
  const plain = PLAIN.exec(text);
  if (plain) return made(plain[3], plain[1] as Reduction, names(plain[2]), undefined, plain[4]);
  const bare = BARE.exec(text);
  return bare ? made(bare[1], "value", [], undefined, bare[2]) : null;
}

/** One series for a trend: what adds up is added, of anything else the highest is taken. */
export function toOneSeries(expression: string, built: Built | null): { expression: string; how: string } {
  const adds = built !== null && ["rate", "increase", "sum", "count"].includes(built.reduction);
  return adds ? { expression: `sum(${expression})`, how: "the sum of all series" } : { expression: `max(${expression})`, how: "the highest of all series" };
}

export interface Token {
  text: string;
  kind: "plain" | "word" | "number" | "text";
}

const WORDS = /^(sum|avg|min|max|count|topk|bottomk|by|without|on|ignoring|offset|and|or|unless|bool|group_left|group_right)$/;

/** The query in coloured pieces. */
export function tokens(expression: string): Token[] {
  const found: Token[] = [];
  for (const [text] of expression.matchAll(/"(?:[^"\\]|\\.)*"?|\d+(?:\.\d+)?(?:ms|[smhdwy])?(?![a-zA-Z_])|[a-zA-Z_:][a-zA-Z0-9_:]*|\s+|[^\s\w"]+|./g)) {
    const at = found.reduce((sum, token) => sum + token.text.length, 0);
    const called = /^\s*\(/.test(expression.slice(at + text.length));
    const kind = text.startsWith('"') ? "text" : /^\d/.test(text) ? "number" : WORDS.test(text) || (called && /^[a-z]/.test(text)) ? "word" : "plain";
    const before = found.at(-1);
    if (before && before.kind === kind && kind === "plain") before.text += text;
    else found.push({ text, kind });
  }
  return found;
}

/** A comparison at the end of an alert's expression is its threshold: `sum(x) > 0.05` is `sum(x)` and 0.05. */
export function splitThreshold(expression: string): { expression: string; threshold: number | null; above: boolean } {
  const found = /^([\s\S]+?)\s*(>=|<=|>|<)\s*(?:bool\s+)?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*$/i.exec(expression.trim());
  const left = found?.[1] ?? "";
  let depth = 0;
  for (const letter of left.replace(/"(?:[^"\\]|\\.)*"/g, "")) depth += letter === "(" || letter === "{" || letter === "[" ? 1 : letter === ")" || letter === "}" || letter === "]" ? -1 : 0;
  // The comparison may stand inside a bracket, or the left side be a sum of comparisons: then nothing is cut off.
  if (!found || depth !== 0 || /\b(and|or|unless)\b/.test(left)) return { expression, threshold: null, above: true };
  return { expression: left, threshold: Number(found[3]), above: (found[2] ?? ">").startsWith(">") };
}
