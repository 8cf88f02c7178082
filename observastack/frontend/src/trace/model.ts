/**
 * A trace as a tree in drawing order, with own times and the critical path.
 *
 * Times are nanoseconds; they exceed what a double holds exactly, so only differences from the start are numbers.
 */
import type { SpanItem } from "../types";

export interface Row {
  span: SpanItem;
  depth: number;
  /** Start and length as parts of the whole (0…1). */
  start: number;
  length: number;
  /** From the start of the trace. */
  startNs: number;
  durationNs: number;
  /** Time in which no child ran. */
  selfNs: number;
  /** Indexes of rows. */
  parent: number | null;
  children: number;
  /** Rows below this one that belong to it. */
  descendants: number;
  failed: boolean;
  /** The parent is named, but not there. */
  orphan: boolean;
  /** Parts of the span on the critical path, as parts of the whole. */
  critical: readonly (readonly [number, number])[];
}

export interface TraceModel {
  rows: Row[];
  /** First start, nanoseconds since 1970. */
  startNs: bigint;
  durationNs: number;
  errors: number;
  services: string[];
  /** Who has most of the critical path, and which share. */
  busiest: { service: string; share: number } | null;
  /** Services by their own time, longest first. */
  byOwnTime: string[];
  missingParents: number;
}

interface Node {
  span: SpanItem;
  start: number;
  end: number;
  children: Node[];
  orphan: boolean;
  critical: [number, number][];
}

export function traceModel(spans: readonly SpanItem[]): TraceModel {
  const startNs = spans.reduce((least, span) => {
    const at = BigInt(span.time_unix_nano);
    return at < least ? at : least;
  }, BigInt(spans[0]?.time_unix_nano ?? 0));
  const nodes = new Map<string, Node>();
  for (const span of spans) {
    const start = Number(BigInt(span.time_unix_nano) - startNs);
    const node = { span, start, end: start + Math.max(0, span.content.duration_ns), children: [], orphan: false, critical: [] };
    // A span id that came twice (a retried export) is drawn once.
    if (!nodes.has(span.content.span_id)) nodes.set(span.content.span_id, node);
  }
  const roots = linked(nodes);
  const durationNs = Math.max(1, ...Array.from(nodes.values(), (node) => node.end));
  // What finished last decides when the whole was done.
  const last = roots.reduce<Node | null>((latest, root) => (latest === null || root.end > latest.end ? root : latest), null);
  if (last) markCritical(last);
  const rows = drawn(roots, durationNs);
  const services = [...new Set(rows.map((row) => row.span.service))];
  return {
    rows,
    startNs,
    durationNs,
    errors: rows.filter((row) => row.failed).length,
    services,
    busiest: busiestOf(rows),
    byOwnTime: rankByOwnTime(rows),
    missingParents: rows.filter((row) => row.orphan).length,
  };
}

function linked(nodes: Map<string, Node>): Node[] {
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const id = node.span.content.parent_span_id;
    const parent = id === null ? undefined : nodes.get(id);
    if (parent && parent !== node) parent.children.push(node);
    else {
      node.orphan = id !== null;
      roots.push(node);
    }
  }
  cutLoops(nodes, roots);
  const byStart = (one: Node, other: Node) => one.start - other.start || other.end - one.end;
  for (const node of nodes.values()) node.children.sort(byStart);
  return roots.sort(byStart);
}

/** Spans that name each other as parents hang at no root: the first of each loop becomes one. */
function cutLoops(nodes: Map<string, Node>, roots: Node[]): void {
  const reached = new Set<Node>();
  const reach = (from: Node) => {
    const work = [from];
    for (let node = work.pop(); node; node = work.pop()) {
      if (reached.has(node)) continue;
      reached.add(node);
      work.push(...node.children);
    }
  };
  for (const root of roots) reach(root);
  for (const node of nodes.values()) {
    if (reached.has(node)) continue;
    const parent = nodes.get(node.span.content.parent_span_id ?? "");
    if (parent) parent.children = parent.children.filter((child) => child !== node);
    node.orphan = true;
    roots.push(node);
    reach(node);
  }
}

/**
 * The critical path: from the end of a span backwards, the child that finished last is what it waited for; between
 * children the span itself was at work. Children that end after their parent count up to its end.
 */
function markCritical(root: Node): void {
  const work: [Node, number, number][] = [[root, root.start, root.end]];
  for (let next = work.pop(); next; next = work.pop()) {
    const [node, from, until] = next;
    let at = until;
    const children = [...node.children].sort((one, other) => other.end - one.end);
    for (const child of children) {
      if (at <= from) break;
      const end = Math.min(child.end, at);
      if (child.start >= at || end <= from) continue;
      if (end < at) node.critical.push([end, at]);
      // A child that began before its parent (clocks differ) counts from where the parent does.
      const start = Math.max(child.start, from);
      work.push([child, start, end]);
      at = start;
    }
    if (at > from) node.critical.push([from, at]);
  }
}

function drawn(roots: readonly Node[], whole: number): Row[] {
  const rows: Row[] = [];
  const stack: { node: Node; depth: number; parent: number | null }[] = [];
  for (const node of [...roots].reverse()) stack.push({ node, depth: 0, parent: null });
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { node, depth, parent } = next;
    const index = rows.length;
    rows.push({
      span: node.span,
      depth,
      start: node.start / whole,
      length: (node.end - node.start) / whole,
      startNs: node.start,
      durationNs: node.end - node.start,
      selfNs: ownTime(node),
      parent,
      children: node.children.length,
      descendants: 0,
      failed: node.span.content.status_code === 2,
      orphan: node.orphan,
      critical: node.critical.map(([from, to]) => [from / whole, to / whole] as const).sort((one, other) => one[0] - other[0]),
    });
    for (const child of [...node.children].reverse()) stack.push({ node: child, depth: depth + 1, parent: index });
  }
  for (let index = rows.length - 1; index >= 0; index--) {
    const row = rows[index];
    const above = row?.parent == null ? undefined : rows[row.parent];
    if (row && above) above.descendants += 1 + row.descendants;
  }
  return rows;
}

function ownTime(node: Node): number {
  let covered = 0;
  let at = node.start;
  for (const child of node.children) {
    const from = Math.max(child.start, at);
    const to = Math.min(child.end, node.end);
    if (to > from) {
      covered += to - from;
      at = to;
    }
  }
  return Math.max(0, node.end - node.start - covered);
}

function sums(rows: readonly Row[], value: (row: Row) => number): [string, number][] {
  const totals = new Map<string, number>();
  for (const row of rows) totals.set(row.span.service, (totals.get(row.span.service) ?? 0) + value(row));
  return [...totals].sort((one, other) => other[1] - one[1]);
}

function busiestOf(rows: readonly Row[]): TraceModel["busiest"] {
  const totals = sums(rows, (row) => row.critical.reduce((sum, [from, to]) => sum + to - from, 0));
  const all = totals.reduce((sum, [, part]) => sum + part, 0);
  const first = totals[0];
  return first && all > 0 ? { service: first[0], share: first[1] / all } : null;
}

function rankByOwnTime(rows: readonly Row[]): string[] {
  return sums(rows, (row) => row.selfNs).map(([service]) => service);
}

/** Rows that are drawn: without what is below a collapsed one, and only the critical path when asked. */
export function visibleRows(rows: readonly Row[], collapsed: ReadonlySet<string>, criticalOnly: boolean): number[] {
  const visible: number[] = [];
  for (let index = 0; index < rows.length; ) {
    const row = rows[index];
    if (row === undefined) break;
    if (!criticalOnly || row.critical.length > 0) visible.push(index);
    index += collapsed.has(row.span.content.span_id) ? 1 + row.descendants : 1;
  }
  return visible;
}

/** The next row with an error after `from`, from the top again at the end; null without errors. */
export function nextFailed(rows: readonly Row[], from: number): number | null {
  for (let step = 1; step <= rows.length; step++) {
    const index = (from + step) % rows.length;
    if (rows[index]?.failed) return index;
  }
  return null;
}
