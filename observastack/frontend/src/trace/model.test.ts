import { describe, expect, it } from "vitest";

import type { SpanItem } from "../types";
import { nextFailed, traceModel, visibleRows } from "./model";

const T0 = 1_795_424_400_000_000_000n;

/** A span from..to in milliseconds after T0. */
function span(id: string, parent: string | null, from: number, to: number, failed = false, service = id): SpanItem {
  const time = T0 + BigInt(Math.round(from * 1e6));
  return {
    id, timestamp: "", time_unix_nano: String(time), source: "traces", service, trace_id: "t",
    content: {
      name: id, span_id: id, parent_span_id: parent, kind: 1, status_code: failed ? 2 : 0, status_message: null,
      duration_ns: Math.round((to - from) * 1e6), attributes: {}, events: [], links: [], resource: {},
    },
  };
}

/** Parts on the critical path in milliseconds, by span. */
function critical(spans: SpanItem[]): Record<string, [number, number][]> {
  const model = traceModel(spans);
  const ms = (part: number) => Number((part * model.durationNs / 1e6).toFixed(3));
  return Object.fromEntries(model.rows.filter((row) => row.critical.length > 0).map((row) => [row.span.content.span_id, row.critical.map(([a, b]) => [ms(a), ms(b)])]));
}

describe("the critical path", () => {
  it("is the span itself without children", () => {
    expect(critical([span("a", null, 0, 10)])).toEqual({ a: [[0, 10]] });
  });

  it("goes through the child that finished last, not the longest", () => {
    expect(critical([span("a", null, 0, 100), span("long", "a", 0, 80), span("late", "a", 60, 95)])).toEqual({
      a: [[95, 100]],
      late: [[60, 95]],
      long: [[0, 60]],
    });
  });

  it("gives the time between children to the parent", () => {
    expect(critical([span("a", null, 0, 100), span("b", "a", 10, 30), span("c", "a", 50, 90)])).toEqual({
      a: [[0, 10], [30, 50], [90, 100]],
      b: [[10, 30]],
      c: [[50, 90]],
    });
  });

  it("counts children that outlive their parent up to its end", () => {
    expect(critical([span("a", null, 0, 50), span("b", "a", 40, 70)])).toEqual({ a: [[0, 40]], b: [[40, 50]] });
  });

  it("adds up to the length of the trace", () => {
    const spans = [span("a", null, 0, 100), ...Array.from({ length: 40 }, (_, index) => span(`s${index}`, index < 10 ? "a" : `s${index % 10}`, (index * 7) % 60, ((index * 7) % 60) + 5 + ((index * 13) % 35)))];
    const total = traceModel(spans).rows.flatMap((row) => row.critical).reduce((sum, [from, to]) => sum + to - from, 0);
    expect(total * traceModel(spans).durationNs / 1e6).toBeCloseTo(100, 6);
  });
});

describe("the tree", () => {
  it("is drawn depth first, children by their start", () => {
    const model = traceModel([span("c2", "b", 6, 7), span("b", "a", 2, 9), span("a", null, 0, 10), span("c1", "b", 3, 4), span("d", "a", 1, 2)]);
    expect(model.rows.map((row) => [row.span.content.span_id, row.depth, row.descendants])).toEqual([["a", 0, 4], ["d", 1, 0], ["b", 1, 2], ["c1", 2, 0], ["c2", 2, 0]]);
  });

  it("shows spans whose parent is not there as roots, and says so", () => {
    const model = traceModel([span("b", "lost", 5, 9), span("a", null, 0, 10)]);
    expect(model.rows.map((row) => [row.span.content.span_id, row.orphan])).toEqual([["a", false], ["b", true]]);
    expect(model.missingParents).toBe(1);
  });

  it("survives spans that name each other, themselves, or come twice", () => {
    const model = traceModel([span("a", "b", 0, 10), span("b", "a", 1, 9), span("s", "s", 2, 3), span("a", "b", 0, 10)]);
    expect(model.rows.map((row) => row.span.content.span_id).sort()).toEqual(["a", "b", "s"]);
  });

  it("counts own time without overlapping children twice", () => {
    const model = traceModel([span("a", null, 0, 100), span("b", "a", 10, 50), span("c", "a", 30, 60), span("d", "a", 90, 130)]);
    expect(model.rows[0]?.selfNs).toBe(40e6);
  });

  it("keeps differences exact at nanoseconds since 1970", () => {
    const model = traceModel([span("a", null, 0, 1), span("b", "a", 0.000001, 0.000003)]);
    expect(model.rows[1]?.startNs).toBe(1);
    expect(model.rows[1]?.durationNs).toBe(2);
  });

  it("draws ten thousand spans in depth without a stack overflow", () => {
    const chain = Array.from({ length: 10_000 }, (_, index) => span(`s${index}`, index === 0 ? null : `s${index - 1}`, 0, 10));
    expect(traceModel(chain).rows).toHaveLength(10_000);
  });
});

it("collapsing hides what is below, the critical path only what is not on it", () => {
  const { rows } = traceModel([span("a", null, 0, 100), span("b", "a", 0, 90), span("c", "b", 10, 20), span("d", "a", 10, 20, true)]);
  const ids = (visible: number[]) => visible.map((index) => rows[index]?.span.content.span_id);
  expect(ids(visibleRows(rows, new Set(["b"]), false))).toEqual(["a", "b", "d"]);
  expect(ids(visibleRows(rows, new Set(), true))).toEqual(["a", "b", "c"]);
});

it("goes to the next error and round to the first", () => {
  const { rows } = traceModel([span("a", null, 0, 100, true), span("b", "a", 0, 90), span("c", "a", 10, 20, true)]);
  expect([nextFailed(rows, -1), nextFailed(rows, 0), nextFailed(rows, 2)]).toEqual([0, 2, 0]);
  expect(nextFailed(rows.map((row) => ({ ...row, failed: false })), 0)).toBeNull();
});
