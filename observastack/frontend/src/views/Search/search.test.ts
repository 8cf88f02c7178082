import { describe, expect, it } from "vitest";

import { inOrder } from "../../search/ask";
import { marked } from "../../search/display";
import type { Correlation, Item, LogItem } from "../../types";
import { fileName, lastLine } from "./exporting";
import { facetFields } from "./facetFields";
import { changes, inWords } from "./NothingFound";
import { relatedLogs } from "./Related";

const log = (id: number, part: Partial<LogItem["content"]> = {}, trace: string | null = null): LogItem => ({
  id: String(id), timestamp: "", time_unix_nano: String(id), source: "logs", service: "s", trace_id: trace,
  content: { body: "", severity_number: 9, severity_text: "", attributes: {}, resource: {}, span_id: null, ...part },
});

it("items of sources that answered one by one are one list", () => {
  expect(inOrder([log(1), log(3), log(2)] as Item[], true).map(({ id }) => id)).toEqual(["3", "2", "1"]);
  const large = [log(1), log(2)].map((one, index) => ({ ...one, time_unix_nano: `179542440000000000${index}` }));
  expect(inOrder(large, true).map(({ id }) => id)).toEqual(["2", "1"]);
});

it("matches are marked without case, everything else is kept", () => {
  expect(marked("A Timeout, timeout", "TIMEOUT")).toEqual(["A ", "Timeout", ", ", "timeout", ""]);
  expect(marked("a.b", ".")).toEqual(["a", ".", "b"]);
  expect(marked("abc", " ")).toEqual(["abc"]);
});

describe("facets of attributes", () => {
  it("are those that many lines have with a few different values", () => {
    const items = Array.from({ length: 40 }, (_, index) =>
      log(index, { attributes: { status: index % 3, id: index, constant: 1, ...(index < 4 ? { rare: index } : {}) } }),
    );
    expect(facetFields(items)).toEqual(["attributes.status"]);
  });
});

it("an export without its last line was cut short", () => {
  expect(lastLine('{"id":"1"}\n{"end":true,"count":2,"partial":false}\n')).toEqual({ count: 2, partial: false });
  expect(lastLine('{"id":"1"}\n{"id":"2"}\n')).toBeNull();
  expect(lastLine('{"end":true,"cou')).toBeNull();
  expect(fileName({ from: 0, to: 3_600_000 })).toBe("observastack-19700101T000000-19700101T010000.ndjson");
});

it("proof comes before maybe, the worst first, and the line itself is left out", () => {
  const here = log(1, {}, "t");
  const correlation: Correlation = {
    items: [here, log(2, { severity_number: 17 }), log(3, {}, "t"), log(4, { severity_number: 21 }, "t")],
    links: [
      { from: "logs:1", to: "logs:2", kind: "service_window" },
      { from: "logs:1", to: "logs:3", kind: "trace_id" },
      { from: "logs:1", to: "logs:4", kind: "trace_id" },
      { from: "logs:1", to: "logs:4", kind: "service_window" },
    ],
    partial: false,
    sources: {},
  };
  expect(relatedLogs(correlation, here).map(({ item, kind }) => [item.id, kind])).toEqual([["4", "trace_id"], ["3", "trace_id"], ["2", "service_window"]]);
});

it("suggestions are smaller questions", () => {
  const now = Date.UTC(2026, 10, 23);
  const labels = changes(
    { text: "x", filters: [{ field: "service", operator: "equals", value: "a" }], type: "logs", range: { from: "now-1h", to: "now" }, selection: null, open: null, live: false },
    { from: now - 3_600_000, to: now },
    now,
  ).map(({ label }) => label);
  expect(labels).toEqual(["Without service is a", "Without “x”", "In all signals", "In the last 24 hours", "In the last 7 days"]);
});

it("a length is said in whole units", () => {
  expect([1800, 3600, 5400, 86_400, 604_800, 45].map(inWords)).toEqual(["30 minutes", "hour", "90 minutes", "day", "7 days", "45 seconds"]);
});
